//! The ports that a NAT will give next, where it gives them in a sequence.

/// How many are guessed: beyond that, somebody else's mappings have come between, and a guess is as bad as another.
pub const MAX_PREDICTED: usize = 8;

/// NATs keep away from the well-known ports, so a sequence begins here again after the last port.
const FIRST_PORT: u16 = 1024;

/// How many ports a sequence has before it begins again.
const PORTS: i32 = 0x1_0000 - FIRST_PORT as i32;

/// The ports that follow `last` after `made` further mappings, at a stride that is not 0.
pub fn next_ports(last: u16, stride: i16, made: u16) -> impl Iterator<Item = u16> {
    let count = if stride == 0 { 0 } else { MAX_PREDICTED };
    (1..=count as i32).map(move |number| {
        let steps = i64::from(i32::from(made) + number);
        let distance = steps * i64::from(stride);
        let from_first = i64::from(last.max(FIRST_PORT) - FIRST_PORT) + distance;
        FIRST_PORT + from_first.rem_euclid(i64::from(PORTS)) as u16
    })
}

/// How far a port is from the one before, the short way round.
pub fn step(before: u16, after: u16) -> i16 {
    let direct = i32::from(after) - i32::from(before);
    let around = if direct > 0 {
        direct - PORTS
    } else {
        direct + PORTS
    };
    let shorter = if around.abs() < direct.abs() {
        around
    } else {
        direct
    };
    shorter.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// The largest stride of which every step is a multiple, all in one direction; `None` where there is no step, or they differ in it.
///
/// Others behind the NAT may have made mappings between, so a step may be several strides.
pub fn common_stride(steps: &[i16]) -> Option<i16> {
    let divisor = steps
        .iter()
        .fold(0, |divisor, step| gcd(divisor, step.unsigned_abs()));
    let divisor = i16::try_from(divisor).ok().filter(|divisor| *divisor > 0)?;
    if steps.iter().all(|step| *step > 0) {
        Some(divisor)
    } else if steps.iter().all(|step| *step < 0) {
        Some(-divisor)
    } else {
        None
    }
}

fn gcd(one: u16, other: u16) -> u16 {
    match other {
        0 => one,
        _ => gcd(other, one % other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sequence_goes_on_at_its_stride_after_what_happened_between() {
        assert!(next_ports(40_000, 1, 0).eq(40_001..=40_008));
        assert!(next_ports(40_000, 2, 3).eq((40_008..=40_022).step_by(2)));
        assert!(next_ports(40_000, -1, 0).eq((39_992..=39_999).rev()));
        assert_eq!(next_ports(40_000, 0, 0).count(), 0);
    }

    #[test]
    fn a_sequence_begins_again_above_the_well_known_ports() {
        let next: Vec<_> = next_ports(65_534, 1, 0).collect();
        assert_eq!(next[..3], [65_535, 1024, 1025]);
        let before: Vec<_> = next_ports(1025, -1, 0).collect();
        assert_eq!(before[..3], [1024, 65_535, 65_534]);
        assert_eq!(step(65_534, 1025), 3);
        assert_eq!(step(1025, 65_534), -3);
    }

    #[test]
    fn steps_in_both_directions_and_none_at_all_have_no_stride() {
        assert_eq!(common_stride(&[]), None);
        assert_eq!(common_stride(&[0]), None);
        assert_eq!(common_stride(&[1, -1]), None);
        assert_eq!(common_stride(&[2, 6, 4]), Some(2));
        assert_eq!(common_stride(&[-3, -6]), Some(-3));
        assert_eq!(common_stride(&[i16::MIN]), None);
    }

    proptest! {
        #[test]
        fn the_next_port_of_any_sequence_is_among_the_predicted_ones(
            last in FIRST_PORT.., stride in -64_i16..=64, made in 0_u16..200, number in 0..MAX_PREDICTED,
        ) {
            prop_assume!(stride != 0);
            // The same by single steps.
            let mut port = last;
            for _ in 0..=usize::from(made) + number {
                let next = i32::from(port) + i32::from(stride);
                let wrapped = match next {
                    ..1024 => next + PORTS,
                    0x1_0000.. => next - PORTS,
                    _ => next,
                };
                port = wrapped as u16;
            }
            prop_assert_eq!(next_ports(last, stride, made).nth(number), Some(port));
            prop_assert!(next_ports(last, stride, made).all(|port| port >= FIRST_PORT));
        }

        #[test]
        fn a_step_leads_from_one_port_to_the_other(before in FIRST_PORT.., distance in -256_i16..=256) {
            let after = i32::from(before) + i32::from(distance) - i32::from(FIRST_PORT);
            let after = after.rem_euclid(PORTS) as u16 + FIRST_PORT;
            prop_assert_eq!(step(before, after), distance);
        }
    }
}
