//! `cpu` and `vcpus`.

use nephoscope_guest::Sample;
use nephoscope_guest::cpu::Stats;

pub(crate) fn sample(cpu: &Stats, samples: &mut Vec<Sample>) {
    if let Some(time) = time(cpu) {
        samples.push(Sample::new("cpu", time).with("cpu_number", i64::from(cpu.current)));
    }
    samples.push(Sample::new("vcpus", u64::from(cpu.current)));
}

/// CPU time as Ceilometer counts it: what the vCPUs ran and what they waited for the host, of those that have both; libvirt's
/// total where these are not as many as there are vCPUs online. libvirt's list of vCPUs can have holes. An instance that does not
/// run has neither.
fn time(cpu: &Stats) -> Option<u64> {
    let (mut sum, mut complete) = (0_u64, 0);
    for vcpu in &cpu.vcpus {
        let Some(wait) = vcpu.wait else { continue };
        let Some(more) = vcpu.time.checked_add(wait).and_then(|time| sum.checked_add(time)) else {
            return cpu.time;
        };
        sum = more;
        complete += 1;
    }
    if complete == cpu.current && complete > 0 { Some(sum) } else { cpu.time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nephoscope_guest::cpu::Vcpu;

    fn vcpu(number: u32, time: u64, wait: Option<u64>) -> Vcpu {
        Vcpu { number, state: 1, time, wait, delay: None }
    }

    fn stats(current: u32, time: Option<u64>, vcpus: Vec<Vcpu>) -> Stats {
        Stats { current, maximum: 8, time, user: None, system: None, vcpus }
    }

    fn samples(cpu: &Stats) -> Vec<Sample> {
        let mut samples = Vec::new();
        sample(cpu, &mut samples);
        samples
    }

    #[test]
    fn cpu_is_what_the_vcpus_ran_and_waited_with_holes_between_them() {
        let cpu = stats(2, Some(7), vec![vcpu(0, 100, Some(20)), vcpu(3, 300, Some(1))]);
        let expected = [Sample::new("cpu", 421_u64).with("cpu_number", 2_i64), Sample::new("vcpus", 2_u64)];
        assert_eq!(samples(&cpu), expected);
    }

    #[test]
    fn too_few_or_too_many_vcpus_with_both_times_leave_libvirts_total() {
        let few = vec![vcpu(0, 100, Some(20)), vcpu(1, 300, None)];
        let many = vec![vcpu(0, 1, Some(1)), vcpu(1, 1, Some(1)), vcpu(2, 1, Some(1))];
        for vcpus in [Vec::new(), few, many] {
            assert_eq!(time(&stats(2, Some(7), vcpus.clone())), Some(7));
            assert_eq!(time(&stats(2, None, vcpus)), None);
        }
    }

    #[test]
    fn a_counter_beyond_a_doubles_precision_is_exact() {
        let time = (1 << 53) + 1;
        assert_eq!(samples(&stats(1, None, vec![vcpu(0, time, Some(0))]))[0].volume, time.into());
        assert_eq!(samples(&stats(1, Some(u64::MAX), Vec::new()))[0].volume, u64::MAX.into());
    }

    #[test]
    fn a_sum_beyond_64_bits_is_none() {
        let vcpus = vec![vcpu(0, u64::MAX, Some(0)), vcpu(1, 1, Some(0))];
        assert_eq!(time(&stats(2, Some(7), vcpus)), Some(7));
    }

    #[test]
    fn an_instance_that_does_not_run_has_vcpus_and_no_time() {
        assert_eq!(samples(&stats(4, None, Vec::new())), [Sample::new("vcpus", 4_u64)]);
    }
}
