#!/bin/sh
# Lets a deploy pass only where the candidate is conformant: pre-deploy.sh URL
set -eu
: "${1:?usage: pre-deploy.sh URL}"
kraty-conformance run --target conformance/staging.toml --base-url "$1" --require all --reports conformance-reports && exit 0
code=$?
case $code in
  1) echo "not conformant, or too little exercised: see conformance-reports/latest/report.html" >&2 ;;
  2) echo "the target file or a key is wrong: see above" >&2 ;;
  *) echo "nothing can be said: see above" >&2 ;;
esac
exit "$code"
