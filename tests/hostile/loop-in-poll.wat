;; tries: to compute for ever in `poll`
;; stopped by: epochs, against `limits.cpu`
;; fails: cpu_time it computed for longer than limits.cpu allows
;; cpu: 1ms
;; polls: 500

;;; poll
(loop $for_ever (br $for_ever)) unreachable
