#!/usr/bin/env bash
# What the action and the pipeline's template run: COMMAND is validate or apply, FILES what is declared.
set -euo pipefail
for name in SLIPWAY_URL SLIPWAY_KEY SLIPWAY_SCOPE; do
  if [ -z "${!name:-}" ]; then unset "$name"; fi # an empty one is none
done
case "${COMMAND:?}" in
  validate) exec slipway validate --format "${FORMAT:-github}" -- "${FILES:?}" ;;
  apply)
    options=()
    if [ "${PRUNE:-false}" = true ]; then options+=(--prune); fi
    if [ -n "${SLIPWAY_SCOPE:-}" ]; then options+=(--auth entra); fi
    exec slipway apply -f "${FILES:?}" "${options[@]}"
    ;;
  *)
    echo "command is '$COMMAND'; allowed: validate, apply" >&2
    exit 2
    ;;
esac
