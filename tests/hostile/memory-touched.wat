;; tries: to leave the host with the memory that it has written to: all that it may have, poll after poll
;; stopped by: the pool, which gives pages back to the kernel
;; fails: trap wasm `unreachable` instruction executed
;; polls: 300

;;; poll
(drop (memory.grow (i32.const 50)))
(memory.fill (i32.const 65536) (i32.const 7) (i32.const 3000000))
unreachable
