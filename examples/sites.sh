#!/usr/bin/env bash
# curl, from cron or anywhere. The token is on no command line, so that no process list shows it.
#
#   API=https://acme.highq.com/acme/api bash sites.sh > sites.json
#
# Ends with hq-token's exit code when there is no token (4: a person must log in; 75: later), and with
# curl's when the call fails.
set -euo pipefail
: "${API:?set API to the address of the API, such as https://acme.highq.com/acme/api}"

# In a variable first: in a pipe, curl would run, and fail in its own way, also without a token.
header=$(hq-token get --min-valid 5m --format header)
curl --fail-with-body --silent --show-error -H @- -H 'Accept: application/json' "${API%/}/1/sites" <<<"$header"
