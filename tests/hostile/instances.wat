;; tries: to be a component of a thousand core instances
;; stopped by: the pool, which has a hundred for a component
;; refused: is no WebAssembly component

;;; component
(component
  (core module $m)
  $instances
  (component $p)
  (instance $i (instantiate $p))
  (export "nephoscope:meter/pollster@0.1.0" (instance $i)))

;;; instances * 1000
(core instance (instantiate $m))
