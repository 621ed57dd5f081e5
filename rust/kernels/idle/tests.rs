//! Steps made up for all at once, beside step after step.

use super::*;
use crate::kernels::simd::multiversion;
use crate::kernels::step::RULES;
use proptest::prelude::*;

#[inline(always)]
fn settle_body<S: Simd>(
    simd: S,
    idle: &Idle,
    from: u32,
    count: usize,
    mut parameters: Parameters<'_>,
) {
    idle.settle(simd, from, count, &mut parameters);
}
multiversion! {
    fn settle(idle: &Idle, from: u32, count: usize, parameters: Parameters<'_>) => settle_body
}

/// Values, momenta and second moments.
type Arrays = [Vec<f32>; 3];

fn view(arrays: &mut Arrays) -> Parameters<'_> {
    let [values, momentum, second] = arrays;
    Parameters { values, momentum, second }
}

fn start(n: usize, seed: usize, step: &Step) -> Arrays {
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1000.0 - 1.0;
    let scale = |i: usize| 10f32.powi((i % 7) as i32 - 4);
    let some = |k: usize| (0..n).map(|i| number(k * n + i) * scale(i)).collect::<Vec<_>>();
    let mut momentum = some(1);
    momentum.iter_mut().step_by(5).for_each(|v| *v = 0.0);
    let second = (0..step.seconds(n)).map(|i| (0.3 * momentum[i]).powi(2) + 1e-9).collect();
    [some(0), momentum, second]
}

/// Steps whose numbers change, or do not.
fn steps(rule: UpdateRule, decay: f32, shrink: f32, changes: bool, n: usize) -> Vec<Step> {
    let step = |i: usize| {
        let part = if changes { 1.0 + (i as f32 * 0.37).sin() * 0.5 } else { 1.0 };
        let rule = match rule {
            UpdateRule::Adam(adam) => {
                let weight = 1.0 - f64::from(adam.beta_2).powi(i as i32 + 1);
                UpdateRule::Adam(Adam { inverse_root: (1.0 / weight.sqrt()) as f32, ..adam })
            }
            other => other,
        };
        let (decay, shrink) = (decay * part, shrink * part);
        Step { rule, rate: 0.01 * part, decay, inverse_batch: 1.0, shrink }
    };
    (0..n).map(step).collect()
}

fn rules() -> Vec<UpdateRule> {
    let still = Sgd { momentum: 0.0, nesterov: false };
    let slow = Sgd { momentum: 0.99, nesterov: false };
    let adam = |beta_1, beta_2| {
        UpdateRule::Adam(Adam { beta_1, beta_2, epsilon: 1e-8, inverse_root: 1.0 })
    };
    let mut rules = vec![UpdateRule::Sgd(still), UpdateRule::Sgd(slow)];
    rules.extend([adam(0.0, 0.999), adam(0.95, 0.9), adam(0.9, 0.999)]);
    let lion = |beta_1, beta_2| UpdateRule::Lion(Lion { beta_1, beta_2 });
    // Their momentum reaches 0 within a test, or says nothing.
    rules.extend([lion(0.1, 0.5), lion(0.9, 0.5), lion(0.0, 0.9)]);
    rules.extend(RULES);
    rules
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// As step after step, up to rounding; what stands behind stays, and changes nothing.
    #[test]
    fn as_step_after_step(
        rule in 0..rules().len(), decay in prop::sample::select(vec![0.0f32, 1e-3, 0.3]),
        shrink in prop::sample::select(vec![0.0f32, 1e-4, 0.03]), changes: bool,
        all in 1usize..600, missed in 0usize..600, count in 1usize..20, seed in 0usize..1000,
    ) {
        let steps = steps(rules()[rule], decay, shrink, changes, all);
        let from = all.saturating_sub(missed);
        let mut idle = Idle::new(&steps[0]);
        steps.iter().for_each(|step| idle.push(step));
        let before = start(count, seed, &steps[0]);
        let (mut naive, mut found) = (before.clone(), before.clone());
        for step in &steps[from..] {
            (0..count).for_each(|i| step.spend_at(0.0, i, &mut view(&mut naive)));
        }
        settle(&idle, from as u32, count, view(&mut found));
        // How far a weight may move tells what rounding may do.
        let reach = |i: usize| {
            let most = steps[from..].iter().map(|step| step.rate).sum::<f32>() * 40.0;
            before[0][i].abs() + 100.0 * before[1][i].abs() + most
        };
        for i in 0..count {
            let error = (naive[0][i] - found[0][i]).abs();
            prop_assert!(error <= 3e-5 * reach(i), "weight {} {}", naive[0][i], found[0][i]);
            let error = (naive[1][i] - found[1][i]).abs();
            prop_assert!(error <= 1e-4 * naive[1][i].abs() + 1e-37);
            if let Some(s) = naive[2].get(i) {
                prop_assert!((s - found[2][i]).abs() <= 1e-4 * s + 1e-37);
            }
        }
        let mut longer = before.clone();
        longer.iter_mut().filter(|a| !a.is_empty()).for_each(|a| a.extend([f32::NAN, 3.0, -1.0]));
        settle(&idle, from as u32, count, view(&mut longer));
        for (short, long) in found.iter().zip(&longer).filter(|(short, _)| !short.is_empty()) {
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(short), bits(&long[..count]));
            prop_assert!(long[count].is_nan() && long[count + 1..] == [3.0, -1.0]);
        }
    }
}

#[test]
fn weights_stay_where_nothing_moves_them() {
    for rule in rules() {
        let steps = steps(rule, 0.0, 0.0, false, 1000);
        let mut idle = Idle::new(&steps[0]);
        steps.iter().for_each(|step| idle.push(step));
        let mut arrays = [vec![0.25, -3.0, 0.0], vec![0.0; 3], vec![0.0; steps[0].seconds(3)]];
        settle(&idle, 0, 3, view(&mut arrays));
        assert_eq!(arrays[0], [0.25, -3.0, 0.0]);
    }
}

#[test]
fn numbers_at_the_end_of_the_range_stay_numbers() {
    for (epsilon, second) in [(1e-8, f32::INFINITY), (1e-39, 0.0), (1e-39, 1.0)] {
        let rule =
            UpdateRule::Adam(Adam { beta_1: 0.9, beta_2: 0.999, epsilon, inverse_root: 1.0 });
        let steps = steps(rule, 0.0, 0.0, false, 300);
        let mut idle = Idle::new(&steps[0]);
        steps.iter().for_each(|step| idle.push(step));
        for from in [0, 200, 299] {
            let momentum = if second == 0.0 { 0.0 } else { 1.0 };
            let mut arrays = [vec![0.25; 9], vec![momentum; 9], vec![second; 9]];
            settle(&idle, from, 9, view(&mut arrays));
            assert!(arrays[0].iter().all(|w| w.is_finite()), "{epsilon} {second} {from}");
            assert!(second == 1.0 || arrays[0].iter().all(|&w| w == 0.25));
        }
    }
}

#[test]
fn other_rules_and_too_many_steps_are_refused() {
    let step = steps(RULES[0], 0.0, 0.0, false, 1)[0];
    let mut idle = Idle::new(&step);
    assert!(RULES[1..].iter().all(|rule| !idle.takes(&Step { rule: *rule, ..step })));
    let plain = UpdateRule::Sgd(Sgd { momentum: 0.9, nesterov: false });
    assert!(!idle.takes(&Step { rule: plain, ..step }));
    (0..MOST_IDLE).for_each(|_| idle.push(&Step { rate: 0.5, ..step }));
    assert!(idle.is_full() && !idle.takes(&step) && idle.steps() as usize == MOST_IDLE);
}
