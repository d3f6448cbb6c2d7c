;; tries: to read an instance while it is asked for its meters
;; stopped by: there is no instance outside `poll`; the reading traps
;; grants: memory
;; refused: failed while it was asked for its meters: it asked for a reading outside poll

;;; imports
(import "nephoscope:meter/memory@0.1.0" "inspect" (func $inspect (param i32)))

;;; meters
(call $inspect (i32.const 8192))
