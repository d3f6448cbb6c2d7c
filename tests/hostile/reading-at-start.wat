;; tries: to read an instance while it starts
;; stopped by: there is no instance outside `poll`; the reading traps
;; grants: instance
;; refused: failed while it was asked for its meters: it asked for a reading outside poll

;;; imports
(import "nephoscope:meter/instance@0.1.0" "taken-at" (func $taken (result i64)))

;;; items
(func $read (drop (call $taken)))
(start $read)
