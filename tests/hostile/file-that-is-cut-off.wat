;; tries: to be half a module
;; stopped by: its sections are read to the end before it is compiled
;; refused: is no WebAssembly component
;; cut: 300
