#!/usr/bin/env bash
# Installs one release of the Azure Developer CLI for Linux on x86-64 into FOLDER, if its bytes are the ones that were
# published. Another release: set AZD_VERSION and AZD_SHA256 (of azd-linux-amd64.tar.gz, as Microsoft's Homebrew tap
# Azure/homebrew-azd has it).
set -euo pipefail
folder="${1:?usage: install-azd.sh FOLDER}"
version="${AZD_VERSION:-1.33.0}"
sha256="${AZD_SHA256:-8e3abba664ff414b90bff4fcf885ab53e0d8909856d9bd96b6aee8ba9598b82c}"
source="${AZD_SOURCE:-https://github.com/Azure/azure-dev/releases/download}"
temporary="$(mktemp -d)"
trap 'rm -rf "$temporary"' EXIT
curl --fail --silent --show-error --location --retry 3 --output "$temporary/azd.tar.gz" \
  "$source/azure-dev-cli_$version/azd-linux-amd64.tar.gz"
echo "$sha256  $temporary/azd.tar.gz" | sha256sum --check --strict --quiet
tar --extract --gzip --file "$temporary/azd.tar.gz" --directory "$temporary" azd-linux-amd64
install -D --mode 0755 "$temporary/azd-linux-amd64" "$folder/azd"
