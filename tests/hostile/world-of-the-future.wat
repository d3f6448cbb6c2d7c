;; tries: to be a guest of a contract that this runtime does not have
;; stopped by: its names are read before it is compiled
;; refused: is built for nephoscope:meter@0.9.0, and this runtime has 0.1.0
;; version: 0.9.0
