#!/usr/bin/env bash
# Takes service.py through stages 0 to 4 of qa in a sandbox on the real clock: about 25 minutes.
# Usage: try.sh [DIRECTORY]; the directory is made anew and kept, for a look at its journal.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
directory=${1:-$(mktemp -d)/foreign}
mkdir -p "$directory"
cp "$here/emonk-ops.toml" "$here/jobs.json" "$directory/"
cd "$directory"

emonk-ops sandbox up --detach --clock real
trap 'emonk-ops sandbox down' EXIT
emonk-ops sandbox image add foreign -- python "$here/service.py"

emonk-ops stage 0 --env qa --confirm code-review="read by two" --confirm lint="none" \
  --confirm type-check="none" --confirm unit-tests="none" --confirm integration-tests="none"
emonk-ops stage 1 --env qa
emonk-ops stage 2 --env qa
emonk-ops stage 3 --env qa
emonk-ops shadow check-logs --env qa || true
emonk-ops alerts apply --env qa --yes
emonk-ops stage 4 --env qa --confirm jobs-carried="declared in code, made at its start" \
  --confirm documents="two documents, looked at" \
  --confirm failures-handled="none was injected: without an admin API there is no canary"
emonk-ops status --env qa
