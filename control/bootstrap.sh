#!/usr/bin/env bash
# Makes this machine able to run the checkout's commands, and does nothing where it already is.
#
#   control/bootstrap.sh         what every make target needs
#   control/bootstrap.sh --dev   also the tools of the tests and the linters
#
# Finds Java 17, Maven and a Python of at least 3.11 with venv; installs what is missing with apt where that is
# possible, else says in one sentence what is missing (exit 2). --dev looks for Chromium too, and goes on without it.
# Then leaves in $CITYPULSE_HOME:
#   java_home   one line: the directory of the Java 17 that was found
#   venv/       the control node's virtual environment: bin/citypulse-control, bin/ansible-playbook, bin/supervisord
#   dev/        with --dev: the same with the tools of tests and linters, from requirements-dev.txt
# Both environments import the project's code from this checkout, so a change of code needs no new environment.
#
# Environment: CITYPULSE_HOME (default: .citypulse in the checkout), JAVA_HOME (taken when it is a Java 17),
# CITYPULSE_JVM_DIR (where the system keeps its Javas; default /usr/lib/jvm), CITYPULSE_SYSTEM_PYTHON (tried last;
# default /usr/bin/python3), CITYPULSE_LOCK_WAIT (seconds to wait for another process's apt or make; default 600).
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
home=${CITYPULSE_HOME:-$checkout/.citypulse}
[[ $home == /* ]] || home=$PWD/$home
jvm_dir=${CITYPULSE_JVM_DIR:-/usr/lib/jvm}
system_python=${CITYPULSE_SYSTEM_PYTHON:-/usr/bin/python3}
log=$home/log/bootstrap.log
lock_wait=${CITYPULSE_LOCK_WAIT:-600}

say() { printf 'bootstrap: %s\n' "$*" >&2; }

stop() {
  say "$2"
  exit "$1"
}

show_end_of_log() { tail -n 15 "$log" | sed 's/^/  | /' >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

# --- Java -------------------------------------------------------------------------------------------------------

is_java_17() {
  [[ -n $1 && -x $1/bin/java ]] || return 1
  if [[ -r $1/release ]]; then
    grep -q '^JAVA_VERSION="17[."]' "$1/release"
  else
    "$1/bin/java" -version 2>&1 | grep -q 'version "17[."]'
  fi
}

java_on_path() {
  have java || return 0
  java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.home = //p' || true
}

find_java() {
  local candidate recorded=
  [[ -r $home/java_home ]] && read -r recorded <"$home/java_home"
  for candidate in "${JAVA_HOME:-}" "$recorded" "$jvm_dir"/*17*; do
    if is_java_17 "$candidate"; then
      java_home=$candidate
      return 0
    fi
  done
  java_home=$(java_on_path)
  is_java_17 "$java_home"
}

# --- Python -----------------------------------------------------------------------------------------------------

find_python() {
  for python in python3 python3.13 python3.12 python3.11 "$system_python"; do
    if have "$python" && "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      return 0
    fi
  done
  return 1
}

# --- apt --------------------------------------------------------------------------------------------------------

as_root=()

can_use_apt() {
  have apt-get || return 1
  [[ $(id -u) == 0 ]] && return 0
  have sudo && sudo -n true 2>/dev/null || return 1
  as_root=(sudo -n)
}

# Runs apt-get; while another process holds the package manager's lock, waits and says so.
apt() {
  local told='' deadline=$((SECONDS + lock_wait))
  while ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q "$@" >"$log" 2>&1 </dev/null; do
    grep -qE 'Could not get lock|Unable to (lock|acquire)' "$log" || return 1
    ((SECONDS < deadline)) || stop 1 "another process has held the package manager for $lock_wait s; try again when it is done."
    [[ -n $told ]] || say "waiting for the package manager: $(grep -oE 'held by process [0-9]+ \([^)]*\)' "$log" | head -n 1 || true)"
    told=yes
    sleep 2
  done
}

install_packages() {
  local began=$SECONDS
  mkdir -p "$home/log"
  if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
    say "reading the list of packages (apt-get update)"
    apt update || { show_end_of_log; stop 1 "apt-get update failed (above)."; }
  fi
  if [[ " $* " == *" openjdk-17-jre-headless "* ]] && ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
    stop 2 "Java 17 is missing and apt has none here: unpack a Java 17 anywhere and name its directory with JAVA_HOME=/path/to/java-17."
  fi
  say "installing $* with apt (a minute or so)"
  if ! apt install --no-install-recommends "$@"; then
    # An old list names files that the archive no longer has.
    if ! { apt update && apt install --no-install-recommends "$@"; }; then
      show_end_of_log
      stop 1 "apt-get install $* failed (above)."
    fi
  fi
  say "installed in $((SECONDS - began)) s"
}

# --- What the commands stand on ---------------------------------------------------------------------------------

missing=() packages=()
check_system() {
  missing=() packages=()
  find_java || { missing+=("Java 17") packages+=(openjdk-17-jre-headless); }
  have mvn || { missing+=("Maven") packages+=(maven); }
  if [[ ${1:-} == with-python ]] && ! find_python; then
    missing+=("Python 3.11 or later with venv")
    packages+=(python3 python3-venv)
  fi
}

require_system() {
  check_system "$@"
  ((${#missing[@]})) || return 0
  if can_use_apt; then
    install_packages "${packages[@]}"
    check_system "$@"
    ((${#missing[@]})) || return 0
  fi
  local names command="apt-get install ${packages[*]}"
  names=$(printf '%s, ' "${missing[@]}")
  stop 2 "missing: ${names%, }; as root run \`$command\`, or name a Java 17 with JAVA_HOME=/path/to/java-17 where only Java is missing."
}

# Tests open the board's pages in it, and say so themselves where there is none. It is tried once.
offer_browser() {
  if have chromium || have google-chrome || [[ -e $home/no_chromium ]]; then return 0; fi
  if ! can_use_apt || ! (install_packages chromium); then
    say "no Chromium: the board's pages are not tested, unless you install one"
    touch "$home/no_chromium"
  fi
}

# --- Virtual environments ---------------------------------------------------------------------------------------

# An environment is made in a hidden directory that carries the hash of all that went into it, and is shown under its
# name by a link: what still runs from the previous one keeps its files, and one half made is never shown.

requirements_of() {
  case $1 in
    venv) echo "$checkout/control/requirements.txt" ;;
    dev) echo "$checkout/requirements-dev.txt" ;;
  esac
}

directory_of() {
  local key
  key=$({ echo "$checkout $home"; cat "$(requirements_of "$1")" "$checkout/control/pyproject.toml"; } | sha256sum)
  echo "$home/.$1-${key:0:12}"
}

is_made() { [[ -e $1/made && -x $1/bin/python ]]; }

make_environment() {
  local name=$1 target=$2 began=$SECONDS
  say "making $home/$name (half a minute, more on a slow line)"
  rm -rf "$target"
  mkdir -p "$home/log"
  if ! { "$python" -m venv "$target" >"$log" 2>&1 && install_into "$name" "$target" &&
    "$target/bin/python" -m pip install --no-deps --no-index --no-build-isolation -e "$checkout/control" >>"$log" 2>&1; }; then
    show_end_of_log
    stop 1 "$home/$name could not be made (above; all of it in $log)."
  fi
  touch "$target/made"
  say "made $home/$name in $((SECONDS - began)) s"
}

# The tools of the tests hold Spark, which is large and published as source: its wheel is built once for all clones.
install_into() {
  case $1 in
    venv) "$2/bin/python" -m pip install --require-hashes -r "$(requirements_of venv)" >>"$log" 2>&1 ;;
    dev)
      "$(directory_of venv)/bin/python" -m citypulse.control.archives install --home "$home" \
        "$(requirements_of dev)" "$2/bin/python" >&2
      ;;
  esac
}

show_environment() {
  local name=$1 target=$2 previous old
  previous=$(readlink "$home/$name" || true)
  [[ $previous != "$target" ]] || return 0
  [[ -L $home/$name ]] || rm -rf "${home:?}/$name"
  ln -sfn "$target" "$home/.$name.link"
  mv -T "$home/.$name.link" "$home/$name"
  for old in "$home/.$name"-*; do
    [[ $old == "$target" || $old == "$previous" ]] || rm -rf "$old"
  done
}

# Commands and tests import the services' modules from the checkout.
show_services() {
  local packages
  packages=$(echo "$home/$1"/lib/python3*/site-packages)
  printf '%s\n' "$checkout"/grafana/src "$checkout"/loadtest/src "$checkout"/services/*/src >"$packages/citypulse-services.pth"
}

# --- All of it --------------------------------------------------------------------------------------------------

case ${1:-} in
  "" | --dev) ;;
  -h | --help)
    sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  *) stop 2 "unknown option $1: there is only --dev." ;;
esac

[[ $home != *[[:space:]]* ]] || stop 2 "CITYPULSE_HOME=$home cannot be used: Java's options can't hold a path with a space; name a directory without one."
mkdir -p "$home" 2>/dev/null && [[ -w $home ]] || stop 2 "CITYPULSE_HOME=$home cannot be written: name a directory that can."
if have flock; then
  exec 9>"$home/.bootstrap.lock"
  flock -n 9 || { say "waiting for another make that prepares $home"; flock -w "$lock_wait" 9 || stop 1 "$home has been prepared by another make for $lock_wait s; try again when it is done."; }
fi

environments=(venv)
[[ ${1:-} != --dev ]] || environments+=(dev)
unmade=()
for name in "${environments[@]}"; do
  is_made "$(directory_of "$name")" || unmade+=("$name")
done

require_system "${unmade[@]:+with-python}"
if [[ $(cat "$home/java_home" 2>/dev/null) != "$java_home" ]]; then
  echo "$java_home" >"$home/java_home.new"
  mv "$home/java_home.new" "$home/java_home"
fi
for name in "${unmade[@]}"; do
  make_environment "$name" "$(directory_of "$name")"
done
[[ ${1:-} != --dev ]] || offer_browser
for name in "${environments[@]}"; do
  show_environment "$name" "$(directory_of "$name")"
  show_services "$name"
done
