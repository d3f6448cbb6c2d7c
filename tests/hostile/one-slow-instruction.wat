;; tries: to pass the points where epochs are looked at: 64 KiB are moved by each instruction of a loop that is unrolled
;; stopped by: epochs; no single instruction takes longer than memory allows
;; fails: cpu_time it computed for longer than limits.cpu allows
;; cpu: 1ms
;; polls: 300

;;; items
(func $move (param i32) (memory.fill (i32.const 4096) (local.get 0) (i32.const 61440)))

;;; poll
(loop $again
  (call $move (i32.const 1)) (call $move (i32.const 2)) (call $move (i32.const 3)) (call $move (i32.const 4))
  (br $again))
unreachable
