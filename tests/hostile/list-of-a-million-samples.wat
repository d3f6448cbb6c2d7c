;; tries: to have the host copy a million samples
;; stopped by: `limits.host_bytes`, which the host's copies are counted against
;; fails: host_bytes it passed more bytes to the host in one call than limits.host_bytes allows

;;; poll
(drop (memory.grow (i32.const 40))) (call $ok (i32.const 1024) (i32.const 50000))
