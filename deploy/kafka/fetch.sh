#!/usr/bin/env bash
# The Kafka broker that the cluster's tests run: Java and Maven from Debian where they are missing, the jars of deploy/kafka/pom.xml
# from Maven Central into .kafka/libs. Does nothing where they are there already.
set -euo pipefail
cd "$(dirname "$0")/../.."

wanted=$(sha256sum deploy/kafka/pom.xml | cut -d' ' -f1)

# Java 17 or newer; of Maven any will do.
java_is_new() {
    command -v java >/dev/null &&
        java -version 2>&1 | awk -F'[".]' '/version/ { exit !($2 >= 17) }'
}

missing=()
java_is_new || missing+=(openjdk-17-jre-headless)
if [ "$(cat .kafka/fetched 2>/dev/null)" != "$wanted" ]; then
    command -v mvn >/dev/null || missing+=(maven)
fi
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]} (Java 17 or newer, Maven): install them" >&2
        exit 3
    fi
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ "$(cat .kafka/fetched 2>/dev/null)" != "$wanted" ]; then
    rm -rf .kafka/libs
    for try in 1 2 3; do
        mvn -q -B -f deploy/kafka/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$PWD/.kafka/libs" && break
        [ $try -lt 3 ] || exit 3
        echo "mvn failed (try $try of 3)" >&2
        sleep $((try * 5))
    done
    echo "$wanted" >.kafka/fetched
fi
