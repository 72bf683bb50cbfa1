#!/bin/bash
# The health check of the image, which has no curl: exit code 0 when the health endpoint of this container answers 200.
# ECOMSTREAM_HEALTH_PORT names its port. Without it that is the port of ecomstream.http.address, where the environment sets
# that, as for `run`, or else the port of the broker, 8085.
path=/health
port=${ECOMSTREAM_HEALTH_PORT:-}
if [ -z "$port" ] && [ -n "${ECOMSTREAM__HTTP__ADDRESS:-}" ]; then
  path=/health/live
  port=${ECOMSTREAM__HTTP__ADDRESS##*:}
fi
exec 3<>"/dev/tcp/127.0.0.1/${port:-8085}" || exit 1
printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
read -r -t 4 _ status _ <&3 || exit 1
[ "$status" = 200 ]
