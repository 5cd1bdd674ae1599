#!/usr/bin/env bash
# Blue/green by hand, as fast as a shell script does it: both containers start at once, on the
# machine's own network, their health is asked for without pause, and nginx reloads.
#
#   blue-green.sh STATE deploy DIRECTORY   build it, start it, check it, switch to it
#   blue-green.sh STATE start IMAGE        the same with an image that is there
#   blue-green.sh STATE retire             remove the colour without traffic
set -euo pipefail
state=$1 verb=$2

serving=$(cat "$state/colour" 2> /dev/null || echo green)
if [ "$serving" = blue ]; then other=green ports="9103 9104"; else other=blue ports="9101 9102"; fi

# Starts a container and returns when it answers.
start() { # IMAGE PORT
    docker run --detach --name "$other-$2" --network host --env "PORT=$2" "$1" > /dev/null
    until curl --silent --fail --output /dev/null "http://127.0.0.1:$2/"; do sleep 0.005; done
}

bring_out() { # IMAGE
    local port pids=() servers=""
    for port in $ports; do
        start "$1" "$port" &
        pids+=($!)
        servers+="server 127.0.0.1:$port; "
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    echo "upstream service { ${servers}keepalive 64; }" > "$state/upstream.new"
    mv "$state/upstream.new" "$state/upstream.conf"
    kill -HUP "$(cat "$state/nginx.pid")" # what nginx -s reload does, without starting another nginx
    echo "$1" > "$state/image"
    echo "$other" > "$state/colour"
}

case $verb in
    deploy) bring_out "$(docker build --quiet "$3")" ;;
    start) bring_out "$3" ;;
    retire) for port in $ports; do docker rm --force "$other-$port" > /dev/null 2>&1 & done; wait ;;
    *) echo "usage: $0 STATE deploy DIRECTORY | start IMAGE | retire" >&2; exit 2 ;;
esac
