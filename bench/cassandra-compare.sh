#!/usr/bin/env bash
# Inserts into one Cassandra by EcomStream's client and by the Java driver, in turn, each in a process of its own that warms
# up once and then runs three times:
#   bench/cassandra-compare.sh HOST:PORT DRIVER_JARS_FOLDER [ROUNDS]
# The role is admin/admin. DRIVER_JARS_FOLDER holds cassandra-driver-core 3.x and what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
endpoint=$1 jars=$2 rounds=${3:-3}
dotnet build bench/EcomStream.Benchmarks -c Release -v q --nologo >/dev/null

inserts() { dotnet bench/EcomStream.Benchmarks/bin/Release/net10.0/EcomStream.Benchmarks.dll cassandra-inserts "$1" "$endpoint" "$2"; }

# Not counted: a server that has just started is slow.
inserts 1 1 >/dev/null
for batch in 1 10; do
  for _ in $(seq "$rounds"); do
    inserts 3 "$batch" | grep 'client CPU' | tail -n +2
    # Without this configuration the driver logs each step at debug level, which would count as its work.
    java -Dlogback.configurationFile=bench/cassandra-java/logback.xml -cp "$jars/*" bench/cassandra-java/Inserts.java "$endpoint" "$batch" 3 2>/dev/null |
      grep 'client CPU' | tail -n +2
  done
done
