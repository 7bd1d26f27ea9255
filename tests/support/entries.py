"""Entries of every kind, plain, hostile and minimal."""

import itertools
import time

KINDS = {
    "flag": ("updateOn", "proj/shop:env/production;eu:flag/checkout;payments"),
    "project": ("createProject", "proj/shop"),
    "environment": ("updateName", "proj/shop:env/staging"),
    "member": ("updateRole", "member/66f0c0ffee000000000000bb"),
    "metric": ("updateName", "proj/shop:metric/conversion"),
    "segment": ("updateRules", "proj/shop:env/production:segment/beta-users"),
    "webhook": ("updateUrl", "webhook/66f0c0ffee000000000000cc"),
    "token": ("resetToken", "member/66f0c0ffee000000000000bb:token/ci"),
    "application": ("createApplication", "application/web"),
    "invoice": ("voidInvoice", "org/acme:invoice/42"),
}

MEMBER = {"_id": "66f0c0ffee000000000000aa", "email": "ada@shop.example", "firstName": "Ada", "lastName": "Okoye"}

HOSTILE = {
    "quotes": "say \"hi\" & 'bye' `now`",
    "backslashes": "C:\\temp\\new \\u0041 \\\" \\",
    "newlines": "one\ntwo\r\nthree\ttab\u2028line\u0085next \x01\x1f\x7f",
    "emoji": "🚀👩‍👩‍👧‍👦🇺🇦 e\u0301 \ufeff \U0010ffff 漢字 العربية",
    "script": "</script><script>alert(1)</script><!-- ]]> <b>&amp;</b>",
    "template": "{{#each x}}{{{member.email}}}{{/each}} {{> x}} \\{{y}} ${z} %%%",
    "long": "Ж" * 5_000,
}
EVERY_HOSTILE = " ".join(value for name, value in HOSTILE.items() if name != "long")

_numbers = itertools.count(1)


def new_id(label="e2e"):
    """An id that no other test uses, of one length for one label."""
    return f"{label}-{time.time_ns():x}-{next(_numbers):06d}"


def now_ms():
    return time.time_ns() // 1_000_000


def plain(kind="flag", **members):
    """An entry as a product would send it."""
    action, resource = KINDS[kind]
    return {
        "_id": new_id(kind[:3]), "date": now_ms() - 1_000, "kind": kind, "name": "Checkout", "titleVerb": f"changed the {kind}",
        "description": "* added the rule `country is FR`\n* removed the target ~~`o'neil`~~\n", "comment": "ticket OPS-12",
        "member": MEMBER, "accesses": [{"action": action, "resource": resource}], **members,
    }


def hostile(kind, text):
    """An entry with `text` wherever a text may stand; its beginning where the size limit of an entry asks for it."""
    short = text[:500]
    return plain(
        kind, name=text, titleVerb=f"changed {text} on the", description=f"* {text}\n> {text}\n", shortDescription=text,
        comment=text, tags=[text, "ok"], title={"plainText": text, "markdown": f"**{text}**", "html": text},
        member={**MEMBER, "firstName": text, "lastName": text, "email": text},
        project={"key": "shop", "name": text, "tags": [text], "environment": {"key": "production", "name": text, "tags": [text]}},
        target={"_id": text, "name": text, "resources": [text]}, parent={"name": text, "resource": text},
        customProperties={"dynatrace": {"name": text, "values": [text]}, short: {"name": short, "values": [short, "{{x}}"]}},
        _links={"self": {"href": "/api/v2/auditlog/1", "type": short}, short: {"href": short, "type": "text/html"}},
        unknown={short: [text, None, 1.5, {"deep": short}]},
    )


def minimal():
    """Entries with no more than they need, and with empty or unused members."""
    return [
        {"_id": new_id("min"), "action": action, "resource": resource} for action, resource in KINDS.values()
    ] + [
        {"_id": new_id("min"), "accesses": [{"action": "x", "resource": "acme/1"}, {"action": "y", "resource": "proj/a:env/b:flag/c"}]},
        {"_id": new_id("min"), "kind": "flag", "key": "checkout", "verbKind": "updateOn",
         "project": {"key": "shop", "environment": {"key": "production"}}},
        {**plain(), "_id": new_id("min"), "name": "", "titleVerb": "", "description": "", "comment": None, "member": None,
         "title": None, "tags": [], "customProperties": {}, "_links": {}},
        {"_id": new_id("min"), "action": "pay", "resource": "org/a:invoice/b", "date": now_ms() - 5 * 24 * 3_600_000},
        {"_id": new_id("min"), "action": "pay", "resource": "org/a:invoice/b", "date": 1_100_000_000_000},
        {"_id": new_id("min"), "action": "pay", "resource": "org/a:invoice/b", "date": now_ms() + 3 * 24 * 3_600_000},
        # As long as Datadog's tags can carry, with what JSON and URLs escape.
        {"_id": (new_id("min") + "\"/\\?#% é🚀" + "x" * 190)[:190], "action": "pay", "resource": "org/a:invoice/b"},
    ]


def ids(entries):
    return [entry["_id"] for entry in entries]
