"""Microsoft's own package reads the cards that were sent to Teams."""

import json
import pathlib
import subprocess

CHECK = pathlib.Path(__file__).parent / "cards" / "check.js"


def checked(cards):
    """For each card the number of its elements and the complaints about it."""
    lines = "".join(json.dumps(card) + "\n" for card in cards)
    done = subprocess.run(["node", str(CHECK)], input=lines, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_microsofts_parser_has_nothing_against_any_card(sent_to_all):
    bodies = [request["body"] for request in sent_to_all.received["msteams"]]
    assert len(bodies) == len(sent_to_all.ids)
    cards = [attachment["content"] for body in bodies for attachment in body["attachments"]]
    results = checked(cards)
    assert len(results) == len(cards) == len(bodies)
    for card, result in zip(cards, results):
        assert not result["events"], f"{result['events']}: {json.dumps(card)}"
        assert result["items"] == len(card["body"]), "the parser left an element out"


def test_every_card_is_within_what_teams_posts(sent_to_all):
    for request in sent_to_all.received["msteams"]:
        # Teams measures the message after it has written it anew, as a JSON text in a JSON text.
        assert len(json.dumps(json.dumps(request["body"], ensure_ascii=False), ensure_ascii=False).encode()) <= 28_672


def test_the_parser_says_what_is_wrong():
    block = {"type": "TextBlock", "text": "x"}
    card = {"type": "AdaptiveCard", "version": "1.2", "body": [block]}
    wrong = [
        {**card, "body": [{"type": "NoSuchElement"}]},
        {**card, "body": [{**block, "weight": "Heaviest"}]},
        {**card, "type": "Card"},
    ]
    right, *results = checked([card, *wrong])
    assert not right["events"]
    assert all(result["events"] for result in results), results
