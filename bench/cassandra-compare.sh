#!/usr/bin/env bash
# Inserts into one Cassandra by EcomStream's client and by the Java driver, in turn:
#   bench/cassandra-compare.sh HOST:PORT DRIVER_JARS_FOLDER [ROUNDS]
# The role is admin/admin. DRIVER_JARS_FOLDER holds cassandra-driver-core 3.x and what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
endpoint=$1 jars=$2 rounds=${3:-3}
dotnet build bench/EcomStream.Benchmarks -c Release -v q --nologo >/dev/null

# Not counted: a server that has just started is slow.
dotnet bench/EcomStream.Benchmarks/bin/Release/net10.0/EcomStream.Benchmarks.dll cassandra-inserts 1 "$endpoint" 1 >/dev/null
for batch in 1 10; do
  for _ in $(seq "$rounds"); do
    dotnet bench/EcomStream.Benchmarks/bin/Release/net10.0/EcomStream.Benchmarks.dll cassandra-inserts 1 "$endpoint" "$batch" | grep rows/s
    java -Dlogback.configurationFile=none -cp "$jars/*" bench/cassandra-java/Inserts.java "$endpoint" "$batch" 1 2>/dev/null | grep rows/s
  done
done
