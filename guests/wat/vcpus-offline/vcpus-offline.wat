;; vcpus.offline: the processors of an instance that are not online: it may have them, and does not at present.
;;
;; Written by hand to the component model's canonical ABI: a result of more than a number lies in memory, a record's fields stand each
;; at a multiple of its own alignment, a variant has its case in one byte and then the payload, a text or list is where and how many.
;;
;; | address | what lies there           |           |                                                          |
;; |---------|---------------------------|-----------|----------------------------------------------------------|
;; | 0       | texts, each ends in 0     |           |                                                          |
;; | 1024    | list<meter>               | 8 bytes   | where 0, how many 4                                      |
;; | 1032    | meter                     | 28 bytes  | name 0, kind 8, unit 12, description 20                  |
;; | 1088    | result<list<sample>, …>   | 16 bytes  | case 0; list 4, or the error: case 4, text 8             |
;; | 1104    | sample                    | 48 bytes  | meter 0; volume: case 8, number 16;                      |
;; |         |                           |           | resource-id: case 24, text 28; metadata 36               |
;; | 1152    | result<stats, error>      | 72 bytes  | case 0; stats: current 8, maximum 12, …,                 |
;; |         |                           |           | or the error: case 8, text 12                            |
;; | 2048    | what the host hands in    |           | to the end of the memory: 48 bytes for each processor    |

(module
  (import "nephoscope:meter/cpu@0.1.0" "inspect" (func $inspect (param $result i32)))

  ;; 4 pages, and no more: the host hands in a record of each processor, and 4,096 of them take 3 pages.
  (memory (export "memory") 4 4)
  (global $end i32 (i32.const 262144))

  (global $name i32 (i32.const 0))
  (global $unit i32 (i32.const 256))
  (global $description i32 (i32.const 512))
  (global $too-many i32 (i32.const 768))
  (data (i32.const 0) "vcpus.offline\00")
  (data (i32.const 256) "vcpu\00")
  (data (i32.const 512) "Processors of the instance that are not online\00")
  (data (i32.const 768) "more processors are online than there are\00")

  (global $meters i32 (i32.const 1024))
  (global $meter i32 (i32.const 1032))
  (global $polled i32 (i32.const 1088))
  (global $sample i32 (i32.const 1104))
  (global $reading i32 (i32.const 1152))
  (global $heap i32 (i32.const 2048))

  ;; Where the next piece of the heap begins.
  (global $free (mut i32) (i32.const 2048))

  ;; Room for what the host hands in. Nothing is given back: `poll` starts over. Beyond the memory it traps, which costs this poll and no
  ;; other.
  (func (export "cabi_realloc")
    (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    ;; (free + align - 1) & -align
    (local.set $at
      (i32.and
        (i32.sub (i32.add (global.get $free) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (if (i32.gt_u (local.get $at) (global.get $end)) (then unreachable))
    (if (i32.gt_u (local.get $size) (i32.sub (global.get $end) (local.get $at))) (then unreachable))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    ;; A piece that is to be larger moves; one that is to be smaller takes what fits.
    (memory.copy
      (local.get $at)
      (local.get $old)
      (select (local.get $old-size) (local.get $size) (i32.lt_u (local.get $old-size) (local.get $size))))
    (local.get $at))

  ;; Writes a text of the module into a field: where it is, and its bytes up to the 0.
  (func $put-text (param $field i32) (param $text i32)
    (local $end i32)
    (local.set $end (local.get $text))
    (block $found
      (loop $next
        (br_if $found (i32.eqz (i32.load8_u (local.get $end))))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $field) (local.get $text))
    (i32.store offset=4 (local.get $field) (i32.sub (local.get $end) (local.get $text))))

  ;; meters: func() -> list<meter>
  (func (export "nephoscope:meter/pollster@0.1.0#meters") (result i32)
    (call $put-text (global.get $meter) (global.get $name))
    (i32.store8 offset=8 (global.get $meter) (i32.const 0)) ;; kind: gauge
    (call $put-text (i32.add (global.get $meter) (i32.const 12)) (global.get $unit))
    (call $put-text (i32.add (global.get $meter) (i32.const 20)) (global.get $description))
    (i32.store (global.get $meters) (global.get $meter))
    (i32.store offset=4 (global.get $meters) (i32.const 1))
    (global.get $meters))

  ;; poll: func() -> result<list<sample>, error>
  ;;
  ;; The host reads the result before it calls again: this poll may write over what the last one returned and was handed.
  (func (export "nephoscope:meter/pollster@0.1.0#poll") (result i32)
    (global.set $free (global.get $heap))
    (call $inspect (global.get $reading))
    (if (i32.load8_u (global.get $reading)) (then (return (call $hand-on))))
    (call $answer (i32.load offset=8 (global.get $reading)) (i32.load offset=12 (global.get $reading))))

  ;; The reading's error as it is: the runtime judges it. Of cases without a text nobody looks at what lies in its place.
  (func $hand-on (result i32)
    (i32.store8 (global.get $polled) (i32.const 1)) ;; err
    (i32.store8 offset=4 (global.get $polled) (i32.load8_u offset=8 (global.get $reading)))
    (i64.store offset=8 align=4 (global.get $polled) (i64.load offset=12 align=4 (global.get $reading)))
    (global.get $polled))

  ;; One sample, of count(maximum - current).
  (func $answer (param $current i32) (param $maximum i32) (result i32)
    (if (i32.gt_u (local.get $current) (local.get $maximum)) (then (return (call $fail (global.get $too-many)))))
    (call $put-text (global.get $sample) (global.get $name))
    (i32.store8 offset=8 (global.get $sample) (i32.const 0)) ;; volume: count
    (i64.store offset=16 (global.get $sample)
      (i64.extend_i32_u (i32.sub (local.get $maximum) (local.get $current))))
    (i32.store8 offset=24 (global.get $sample) (i32.const 0)) ;; resource-id: none, which is the instance
    (i64.store offset=36 align=4 (global.get $sample) (i64.const 0)) ;; metadata: no items
    (i32.store8 (global.get $polled) (i32.const 0)) ;; ok
    (i32.store offset=4 (global.get $polled) (global.get $sample))
    (i32.store offset=8 (global.get $polled) (i32.const 1))
    (global.get $polled))

  ;; An error of this guest's own: failed, with a text.
  (func $fail (param $text i32) (result i32)
    (i32.store8 (global.get $polled) (i32.const 1)) ;; err
    (i32.store8 offset=4 (global.get $polled) (i32.const 5)) ;; failed
    (call $put-text (i32.add (global.get $polled) (i32.const 8)) (local.get $text))
    (global.get $polled)))
