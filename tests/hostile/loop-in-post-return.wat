;; tries: to compute for ever when all is over: in the function that frees the result
;; stopped by: epochs, which count wherever guest code runs
;; fails: cpu_time it computed for longer than limits.cpu allows
;; cpu: 1ms
;; polls: 500

;;; items
(func (export "cabi_post_nephoscope:meter/pollster@0.1.0#poll") (param i32)
  (loop $for_ever (br $for_ever)))

;;; poll
(call $ok (i32.const 1024) (i32.const 1))
