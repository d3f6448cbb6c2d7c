;; tries: to have the host read beyond its memory: a list whose length is a lie
;; stopped by: the canonical ABI's own checks
;; fails: trap

;;; poll
(call $ok (i32.const 1024) (i32.const 0x7fffffff))
