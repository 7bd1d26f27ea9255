#!/usr/bin/env bash
# Starts a server and a receiver that speaks the protocols of nine vendors strictly, creates one
# subscription of each kind through the REST API, sends a handful of entries, and prints what each
# destination got. Exits with 0 only if every entry arrived everywhere.
#
# DEMO_BIN_DIR   a folder with both binaries; without it they are built
# DEMO_SECONDS   how long to wait for the deliveries; 60 without it
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${DEMO_BIN_DIR:-}
if [ -z "$bin" ] || [ ! -x "$bin/auditcast" ] || [ ! -x "$bin/auditcast-receiver" ]; then
  echo '==> building'
  cargo build --locked -p auditcast -p receiver --bins
  bin=target/debug
fi
bin=$(cd "$bin" && pwd)

folder=$(mktemp -d)
pids=()
finish() {
  local code=$?
  trap - EXIT
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  if [ "$code" != 0 ]; then
    echo '==> the last lines of the server:' >&2
    tail -n 25 "$folder/server.log" >&2 2>/dev/null || true
    echo '==> the last lines of the receiver:' >&2
    tail -n 5 "$folder/receiver.log" >&2 2>/dev/null || true
  fi
  rm -rf "$folder"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# wait_for FILE PATTERN: the first line of a growing file that matches, within 20 seconds.
wait_for() {
  local line
  for _ in $(seq 200); do
    line=$(grep -m 1 -- "$2" "$1" 2>/dev/null) && { printf '%s\n' "$line"; return 0; }
    sleep 0.1
  done
  echo "nothing like \"$2\" came from $(basename "$1" .log)" >&2
  return 1
}

echo '==> starting the receiver'
env -i PATH="$PATH" "$bin/auditcast-receiver" --tls-listen 127.0.0.1:0 --control-listen 127.0.0.1:0 \
  --ca-out "$folder/ca.pem" > "$folder/receiver.log" 2>&1 &
pids+=($!)
control=$(wait_for "$folder/receiver.log" '^control: ')
control=${control#control: }
vendors=$(wait_for "$folder/receiver.log" '^vendors: https://')
vendors=${vendors#vendors: https://}

# The names stay the vendors' own, and so do the checks of their certificates; only the address
# behind each name is the receiver's.
teams_host=prod-01.westeurope.logic.azure.com
hosts=(api.datadoghq.com demo.live.dynatrace.com elastic.example.test api.honeycomb.io logs.logdna.com logs.mezmo.com
  "$teams_host" api.newrelic.com ingest.us1.signalfx.com splunk.example.test)
connect_to=$(printf "%s:443=$vendors," "${hosts[@]}")

echo '==> starting the server'
token="demo-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')"
(
  cd "$folder"
  exec env -i PATH="$PATH" \
    AUDITCAST_LISTEN=127.0.0.1:0 \
    AUDITCAST_DATA_DIR="$folder/data" \
    AUDITCAST_BOOTSTRAP_TOKEN="$token" \
    AUDITCAST_CONNECT_TO="${connect_to%,}" \
    AUDITCAST_EXTRA_CA="$folder/ca.pem" \
    AUDITCAST_ALLOW_DESTINATIONS=127.0.0.0/8 \
    "$bin/auditcast" serve
) > "$folder/server.log" 2>&1 &
pids+=($!)
server=$(wait_for "$folder/server.log" 'serving on http://' | sed 's/.*serving on \(http:[^ ]*\).*/\1/')

# call METHOD URL BODY: the body of the answer, or the end of the demo. The token goes to curl by its
# standard input, for command lines are visible to other users.
call() {
  printf 'header = "Authorization: %s"\n' "$token" |
    curl --config - --silent --show-error --fail-with-body --max-time 20 --request "$1" "$2" \
      --header 'Content-Type: application/json' --data-binary "$3"
}

statements='[{"effect": "allow", "actions": ["*"], "resources":
  ["proj/*", "proj/*:env/*", "proj/*:env/*:flag/*", "member/*", "org/*:invoice/*"]}]'
keys=()
subscribe() { # subscribe KEY CONFIG
  local answer
  answer=$(call POST "$server/api/v2/integrations/$1" \
    "{\"name\": \"Demo\", \"on\": true, \"config\": $2, \"statements\": $statements}") ||
    { echo "creating a subscription of $1 failed: $answer" >&2; exit 1; }
  keys+=("$1")
}

echo '==> creating nine subscriptions'
subscribe datadog '{"apiKey": "datadog-key"}'
subscribe dynatrace '{"apiToken": "dynatrace-token", "url": "https://demo.live.dynatrace.com", "entity": "APPLICATION", "tag": "demo"}'
subscribe elastic '{"url": "https://elastic.example.test", "token": "ZWxhc3RpYzprZXk=", "index": "audit"}'
subscribe honeycomb '{"datasetName": "auditcast", "apiKey": "honeycomb-key"}'
subscribe logdna '{"ingestionKey": "logdna-key", "level": "INFO"}'
subscribe msteams "{\"url\": \"https://$teams_host/workflows/demo/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=teams-signature\"}"
subscribe new-relic-apm '{"apiKey": "newrelic-key", "applicationId": "4711", "domain": "api.newrelic.com"}'
subscribe signalfx '{"accessToken": "signalfx-token", "realm": "us1"}'
subscribe splunk '{"base-url": "https://splunk.example.test", "token": "splunk-token", "skip-ca-verification": false}'

echo '==> sending five entries'
now=$(date +%s)
run=$(head -c 4 /dev/urandom | od -An -tx1 | tr -d ' \n')
ids=()
for number in 1 2 3 4 5; do ids+=("demo-$run-$number"); done
member='"member": {"_id": "66f0c0ffee000000000000aa", "email": "ada@shop.example", "firstName": "Ada", "lastName": "Okoye"}'
entries=$(cat <<JSON
[
  {"_id": "${ids[0]}", "date": $((now - 50))000, "kind": "flag", "name": "Checkout", "titleVerb": "turned on the flag",
   "comment": "ticket OPS-12", $member,
   "accesses": [{"action": "updateOn", "resource": "proj/shop:env/production;eu:flag/checkout;payments"}]},
  {"_id": "${ids[1]}", "date": $((now - 40))000, "kind": "flag", "name": "Fast \"lane\" <beta> & friends 🚀",
   "titleVerb": "updated the flag", "description": "* added the rule \`country is FR\`\n* removed the target \`o'neil\`\n", $member,
   "accesses": [{"action": "updateRules", "resource": "proj/shop:env/production:flag/fast-lane"}]},
  {"_id": "${ids[2]}", "date": $((now - 30))000, "kind": "environment", "name": "Staging", "titleVerb": "created the environment", $member,
   "accesses": [{"action": "createEnvironment", "resource": "proj/shop:env/staging"}]},
  {"_id": "${ids[3]}", "date": $((now - 20))000, "kind": "member", "name": "eve@shop.example", "titleVerb": "changed the role of", $member,
   "accesses": [{"action": "updateRole", "resource": "member/66f0c0ffee000000000000bb"}]},
  {"_id": "${ids[4]}", "date": $((now - 10))000, "action": "voidInvoice", "resource": "org/acme:invoice/42", $member}
]
JSON
)
printf '{"ids": ["%s"]}' "$(IFS=, && echo "${ids[*]}" | sed 's/,/", "/g')" |
  curl --silent --show-error --fail --data-binary @- "$control/expect" > /dev/null
answer=$(call POST "$server/ingest/entries" "$entries") || { echo "the entries were refused: $answer" >&2; exit 1; }
echo "    $answer"

# count KEY FIELD: one count of the receiver; 0 where nothing has come yet.
summary='{}'
count() {
  local value
  value=$(sed -n "s/.*\"$1\":{[^}]*\"$2\":\([0-9][0-9]*\).*/\1/p" <<< "$summary")
  echo "${value:-0}"
}
arrived_everywhere() {
  local key
  for key in "${keys[@]}"; do [ "$(count "$key" distinct)" = "${#ids[@]}" ] || return 1; done
}

echo '==> waiting for the deliveries'
deadline=$((SECONDS + ${DEMO_SECONDS:-60}))
while :; do
  summary=$(curl --silent --show-error --fail "$control/summary")
  if arrived_everywhere || [ "$SECONDS" -ge "$deadline" ]; then break; fi
  sleep 0.2
done

complete=0
printf '\n%-15s %8s %8s %8s %8s %8s\n' destination entries arrived requests refused twice
for key in "${keys[@]}"; do
  arrived=$(count "$key" distinct)
  printf '%-15s %8s %8s %8s %8s %8s\n' "$key" "${#ids[@]}" "$arrived" \
    "$(count "$key" requests)" "$(count "$key" refused)" "$(count "$key" duplicates)"
  if [ "$arrived" = "${#ids[@]}" ]; then complete=$((complete + 1)); fi
done
printf '\n%s of %s destinations got every entry.\n' "$complete" "${#keys[@]}"
if [ "$complete" != "${#keys[@]}" ]; then
  grep -o '"last_refusal":"[^"]*"' <<< "$summary" | sort -u >&2 || true
  exit 1
fi
