;; tries: to compute for ever before it is asked anything: in its start function
;; stopped by: epochs
;; refused: failed while it was asked for its meters: it computed for longer than limits.cpu allows
;; cpu: 1ms

;;; items
(func $spin (loop $for_ever (br $for_ever)))
(start $spin)
