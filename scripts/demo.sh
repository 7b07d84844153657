#!/usr/bin/env bash
# From nothing to a trained net: sets everything up, and shows the whole way on real input.
#
#   scripts/demo.sh [--weights FILE] [--engine auto|caffe|torch]
#
# Real Caffe trains; where there is none and none can be got, the torch engine does. Leaves its results in demo-output/
# and reuses what is there; delete the folder to begin anew.
set -euo pipefail
here=$(pwd)
cd "$(dirname "$0")/.."
. scripts/environment.sh

weights='' engine=auto
while [ $# -gt 0 ]; do
    case $1 in
        --weights) weights=${2:-}; shift ;;
        --engine) engine=${2:-}; shift ;;
        -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) fail "$1: no such option (--weights FILE, --engine caffe|torch)" ;;
    esac
    [ $# -gt 0 ] || fail "--weights takes a file, --engine a name"
    shift
done
case $weights in '' | /*) ;; *) weights=$here/$weights ;; esac
[ -z "$weights" ] || [ -r "$weights" ] || fail "$weights: no such file (check the path)"

case $engine in auto | caffe | torch) ;; *) fail "--engine $engine: no such engine (auto, caffe or torch)" ;; esac

out=demo-output

heading() { printf '\n== %s\n' "$*"; }

run() {
    printf '$ %s\n' "$*"
    "$@"
}

main() {
    heading "Set-up"
    virtual_environment ''
    PATH=$venv/bin:$PATH
    mkdir -p "$out"
    choose_engine
    caffe-fcn doctor

    heading "FCN-AlexNet as prototxts, and where the 18 comes from"
    run caffe-fcn net build voc-fcn-alexnet -o "$out/voc-fcn-alexnet"
    run caffe-fcn offsets "$out/voc-fcn-alexnet/train.prototxt"

    heading "AlexNet's fully connected layers into convolutions"
    choose_weights
    run caffe-fcn surgery transplant --weights "$weights" \
        --to-net "$out/voc-fcn-alexnet/deploy.prototxt" -o "$out/voc-fcn-alexnet/fcn-alexnet.caffemodel"

    heading "Triangles: a data set, a net, a training"
    if [ -f "$out/triangles/dataset.json" ]; then
        echo "$out/triangles is there (reused)"
    else
        run caffe-fcn data triangles -o "$out/triangles"
    fi
    train_triangles

    heading "The net, trained on single triangles, on a picture of a hundred"
    run caffe-fcn infer "$net/deploy.prototxt" "$trained" "$out/triangles/grid.png" -o "$out/prediction" --engine "$engine"
    python scripts/side_by_side.py "$out/triangles/grid.png" "$out/prediction/grid.png" "$out/grid.png"
    cat <<END

Look at
  $out/grid.png                  the picture of outlines, and what the net makes of it
  $out/loss.svg                  the loss while training
  $out/voc-fcn-alexnet/          the prototxts, and AlexNet's weights as a convolutional net's
END
}

# $engine becomes caffe, or torch with torch installed; $trainer says it in words
choose_engine() {
    if [ "$engine" != torch ]; then
        if caffe-fcn doctor --json | python -c 'import json, sys; sys.exit(not json.load(sys.stdin)["caffe"])' ||
            ./scripts/install_caffe.sh; then
            engine=caffe trainer='real Caffe'
            return
        fi
        [ "$engine" = auto ] || fail "--engine caffe: there is no Caffe, and none can be got here (see above)"
        echo "no Caffe is here, and none can be got: the torch engine takes its place"
    fi
    engine=torch trainer='the torch engine'
    virtual_environment '[torch]' "$tested_torch"
}

# Weights of a classifier: given, published, or fresh fillers; $weights says where
choose_weights() {
    if [ -n "$weights" ]; then
        return
    fi
    if weights=$(caffe-fcn models get alexnet 2> /dev/null); then
        echo "weights: the published bvlc_alexnet.caffemodel"
        return
    fi
    echo "weights: the published bvlc_alexnet.caffemodel cannot be fetched, so this is an untrained AlexNet that"
    echo "$trainer just initialized (use your own: scripts/demo.sh --weights bvlc_alexnet.caffemodel)"
    weights=$out/alexnet/alexnet_iter_0.caffemodel
    if [ ! -f "$weights" ]; then
        run python scripts/alexnet.py "$out/alexnet"
        run caffe-fcn train "$out/alexnet/solver.prototxt" --engine "$engine" --quiet --no-check # the net has no loss
    fi
}

# The triangles net, $net, and its weights after the last iteration, $trained
train_triangles() {
    net=$out/triangles-net
    run caffe-fcn net build triangles --source "$out/triangles" -o "$net"
    trained=$net/snapshot/train_iter_$(sed -n 's/^max_iter: \([0-9]*\).*/\1/p' "$net/solver.prototxt").caffemodel
    if [ -f "$trained" ]; then
        echo "$trained is there (reused)"
    else
        run caffe-fcn train "$net/solver.prototxt" --engine "$engine"
    fi
    cp "$net/snapshot/train.svg" "$out/loss.svg"
}

main
