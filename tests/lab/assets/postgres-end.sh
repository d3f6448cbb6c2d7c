# Ends what a killed postmaster leaves behind; $POSTGRES_DATA is its data folder.
# Its processes lead sessions of their own, so no group holds them, but all of them work in the data folder.
while :; do
    found=
    for process in /proc/[0-9]*; do
        [ "$process/cwd" -ef "$POSTGRES_DATA" ] || continue
        found=yes
        kill -KILL "${process#/proc/}"
    done
    [ "$found" ] || break
    sleep 0.02
done
# There is such a file after a crash only. Its seventh line ends with the id of a piece of System V shared memory, which would
# outlive all of them; and its first would keep the next start waiting for whoever was given that process id since.
lock=$POSTGRES_DATA/postmaster.pid
if [ -f "$lock" ]; then
    segment=$(sed -n '7s/.* //p' "$lock")
    [ -z "$segment" ] || ipcrm -m "$segment"
    rm -f "$lock"
fi
