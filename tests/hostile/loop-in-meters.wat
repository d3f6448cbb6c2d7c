;; tries: to compute for ever in `meters`
;; stopped by: epochs; start-up and `meters` have twenty times `limits.cpu`
;; refused: failed while it was asked for its meters: it computed for longer than limits.cpu allows
;; cpu: 1ms

;;; meters
(loop $for_ever (br $for_ever))
