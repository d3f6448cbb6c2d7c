# Keeps one neighbour: runs it, and ends it when its owner is gone.
#   sh -c keeper.sh keeper LAST_WORDS COMMAND…
# Standard input is a pipe that the owner holds open. Its end means that the owner is gone, however it went; a line
# "keep" means that the neighbour shall outlive it, until somebody ends this shell with TERM.
# Standard output tells the owner the neighbour's process id; standard error is the neighbour's log.
# This shell leads a process group of its own, so that what the neighbour leaves behind can be ended with it.
last_words=$1
shift
exec 3<&0 </dev/null
end() {
    trap '' TERM
    # Ceilometer's agents lead a group of their own, which their workers stay in.
    kill -KILL "-$child" 2>/dev/null
    kill -KILL "$child" 2>/dev/null
    [ -z "$last_words" ] || sh -c "$last_words"
    kill -KILL 0
}
trap '' HUP INT
trap end TERM
"$@" >&2 3<&- &
child=$!
echo "$child"
(
    exec >&2
    read -r word <&3 && [ "$word" = keep ] || kill -TERM $$
) &
exec 3<&- >&2
wait "$child"
end
