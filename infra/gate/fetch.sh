#!/bin/sh
# Fetches the real programs that the gate's configuration is tested with into a
# folder: nginx and Apache from Debian's packages, unpacked and not installed,
# and Caddy built from its Go modules. Usage: fetch.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$1" && mkdir -p "$1" && cd "$1"

(cd "$here/caddy" && "${GO:-go}" build -trimpath -ldflags "-s -w" -o "$OLDPWD/caddy" .)

# apt-get download takes no root, but a Debian.
command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
	echo "the gate's tests need Debian's packages nginx and apache2-bin: there is no apt-get here"; exit 1; }
command -v node >/dev/null || { echo "the gate's tests need Node.js"; exit 1; }

# apt keeps its lists in a folder of ours: this needs no rights and changes nothing.
mkdir -p apt/lists/partial apt/cache/archives/partial packages root
apt() {
	command=$1; shift
	"$command" -q -o Dir::State="$PWD/apt" -o Dir::State::Lists="$PWD/apt/lists" -o Dir::State::status=/var/lib/dpkg/status \
		-o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 -o Acquire::Retries=5 "$@"
}
apt apt-get update >/dev/null
missing=$(apt apt-get install --no-install-recommends --print-uris -y nginx apache2-bin | sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p")
for package in nginx apache2-bin $missing; do echo "$package"; done | sort -u >wanted
while read -r package; do
	apt apt-get download "$package" >/dev/null && mv ./*.deb packages/
done <wanted
for package in packages/*.deb; do dpkg -x "$package" root; done

libraries=$(dirname "$(find "$PWD/root" -name 'libapr-1.so.0' | head -1)")
for program in nginx apache2; do
	if LD_LIBRARY_PATH=$libraries ldd "root/usr/sbin/$program" | grep 'not found'; then
		echo "$program lacks a library"; exit 1
	fi
	printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libraries" "$PWD/root/usr/sbin/$program" >"$program"
	chmod +x "$program"
done
rm -rf apt packages wanted
