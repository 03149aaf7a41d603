OUT=$(mktemp -d) && trap 'rm -rf "$OUT"' EXIT
send() { # send NUMBER METHOD TARGET [OPTIONS OF CURL]
  number=$1 method=$2 target=$3
  shift 3
  curl -sS -g --path-as-is ${CURL_OPTIONS:-} -D "$DIR/$number.head" -o "$DIR/$number.body" \
    -X "$method" "$@" "$BASE_URL$target"
}
show() { # show NUMBER REQUEST
  printf '%s. %s -> ' "$1" "$2"
  if [ -s "$DIR/$1.head" ]; then
    grep '^HTTP/' "$DIR/$1.head" | tail -n 1 | tr -d '\r'
  else
    echo 'no answer'
  fi
  [ -s "$DIR/$1.body" ] && head -c 600 "$DIR/$1.body" && echo
}
value() { # value NUMBER MEMBER...: a member of the JSON body of an answer
  from=$DIR/$1.body
  shift
  set -- "$from" "$@"
  python3 -c 'import json, sys
try:
    found = json.load(open(sys.argv[1], encoding="utf-8"))
    for name in sys.argv[2:]:
        found = found[int(name) if isinstance(found, list) else name]
    print(found)
except (OSError, ValueError, LookupError, TypeError):
    print("missing")' "$@"
}
filled() { # filled NUMBER FILE OPTIONS OF SED: a file with the body, names and ids of this round
  from=$2 to=$DIR/$1.request
  shift 2
  LC_ALL=C sed "$@" "$from" > "$to"
  echo "$to"
}
moment() { # moment SECONDS: the date-time so many seconds from now
  python3 -c 'import datetime, sys
now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(sys.argv[1]))
print(now.strftime("%Y-%m-%dT%H:%M:%SZ"))' "$1"
}
retry_after() { # retry_after NUMBER SECONDS: what the answer asks for; without it SECONDS
  found=$(tr -d '\r' < "$DIR/$1.head" | sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9][0-9]*\)$/\1/p')
  echo "${found:-$2}"
}
