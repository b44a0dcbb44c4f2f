//! A small neural network that learns to tell two spirals apart: real work for the demo to report on.

use fastrand::Rng;

/// Learning rate of Adam.
const RATE: f32 = 0.003;

/// Points of two spirals, and which one each is on.
pub(super) struct Spirals {
    points: Vec<([f32; 2], f32)>,
}

impl Spirals {
    /// `count` points with some noise.
    pub(super) fn new(count: usize, rng: &mut Rng) -> Self {
        let point = |number: usize| {
            let label = (number % 2) as f32;
            let along = rng.f32();
            let angle = along * 3.0 * std::f32::consts::PI + label * std::f32::consts::PI;
            let noise = |rng: &mut Rng| (rng.f32() - 0.5) * 0.08;
            ([along * angle.cos() + noise(rng), along * angle.sin() + noise(rng)], label)
        };
        let mut rng_points = Vec::with_capacity(count);
        rng_points.extend((0..count).map(point));
        Self { points: rng_points }
    }

    /// All points in random order, in groups of `size`.
    pub(super) fn shuffled(
        &mut self,
        size: usize,
        rng: &mut Rng,
    ) -> impl Iterator<Item = &[([f32; 2], f32)]> {
        rng.shuffle(&mut self.points);
        self.points.chunks(size)
    }
}

/// One layer: every output is a weighted sum of the inputs.
struct Layer {
    /// Weights of each output, one after the other, each followed by its bias.
    weights: Vec<Weight>,
    inputs: usize,
}

#[derive(Clone, Copy, Default)]
struct Weight {
    value: f32,
    gradient: f32,
    mean: f32,
    variance: f32,
}

impl Layer {
    fn new(inputs: usize, outputs: usize, rng: &mut Rng) -> Self {
        let scale = (6.0 / (inputs + outputs) as f32).sqrt();
        let weight = |_| Weight { value: (rng.f32() * 2.0 - 1.0) * scale, ..Weight::default() };
        Self { weights: (0..(inputs + 1) * outputs).map(weight).collect(), inputs }
    }

    fn forward(&self, input: &[f32], output: &mut Vec<f32>) {
        let with_bias = || input.iter().chain([&1.0]);
        let sum =
            |row: &[Weight]| row.iter().zip(with_bias()).map(|(weight, x)| weight.value * x).sum::<f32>();
        output.clear();
        output.extend(self.weights.chunks(self.inputs + 1).map(sum));
    }

    /// Add to the gradients, and return what the error is at the inputs.
    fn backward(&mut self, input: &[f32], error: &[f32]) -> Vec<f32> {
        let mut before = vec![0.0; self.inputs];
        for (row, error) in self.weights.chunks_mut(self.inputs + 1).zip(error) {
            for ((weight, x), before) in
                row.iter_mut().zip(input.iter().chain([&1.0])).zip(before.iter_mut().chain([&mut 0.0]))
            {
                weight.gradient += error * x;
                *before += error * weight.value;
            }
        }
        before
    }

    /// One step of Adam, the `step`-th.
    fn update(&mut self, step: i32, samples: usize) {
        let (mean_bias, variance_bias) = (1.0 - 0.9_f32.powi(step), 1.0 - 0.999_f32.powi(step));
        for weight in &mut self.weights {
            let gradient = weight.gradient / samples as f32;
            weight.mean = 0.9 * weight.mean + 0.1 * gradient;
            weight.variance = 0.999 * weight.variance + 0.001 * gradient * gradient;
            weight.value -=
                RATE * (weight.mean / mean_bias) / ((weight.variance / variance_bias).sqrt() + 1e-8);
            weight.gradient = 0.0;
        }
    }
}

/// Two hidden layers of tanh, one output.
pub(super) struct Network {
    layers: [Layer; 3],
    steps: i32,
}

/// How one step, or one epoch, went.
#[derive(Clone, Copy, Default)]
pub(super) struct Score {
    loss: f32,
    right: usize,
    samples: usize,
}

impl Score {
    /// Mean cross entropy.
    pub(super) fn loss(&self) -> f32 {
        self.loss / self.samples.max(1) as f32
    }

    /// Share that was told right, 0 to 1.
    pub(super) fn accuracy(&self) -> f32 {
        self.right as f32 / self.samples.max(1) as f32
    }

    /// Count another one in.
    pub(super) fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.right += other.right;
        self.samples += other.samples;
    }
}

impl Network {
    pub(super) fn new(hidden: usize, rng: &mut Rng) -> Self {
        let layers =
            [Layer::new(2, hidden, rng), Layer::new(hidden, hidden, rng), Layer::new(hidden, 1, rng)];
        Self { layers, steps: 0 }
    }

    /// How many numbers it learns.
    pub(super) fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.weights.len()).sum()
    }

    /// Learn from some samples.
    pub(super) fn train(&mut self, samples: &[([f32; 2], f32)]) -> Score {
        let mut score = Score::default();
        for (point, label) in samples {
            score.add(self.learn(point, *label));
        }
        self.steps += 1;
        self.layers.iter_mut().for_each(|layer| layer.update(self.steps, samples.len()));
        score
    }

    fn learn(&mut self, point: &[f32; 2], label: f32) -> Score {
        let [first, second, last] = &mut self.layers;
        let (mut one, mut two, mut out) = (Vec::new(), Vec::new(), Vec::new());
        first.forward(point, &mut one);
        one.iter_mut().for_each(|x| *x = x.tanh());
        second.forward(&one, &mut two);
        two.iter_mut().for_each(|x| *x = x.tanh());
        last.forward(&two, &mut out);
        let guess = 1.0 / (1.0 + (-out.first().copied().unwrap_or_default()).exp());
        let error = last.backward(&two, &[guess - label]);
        let error = second.backward(&one, &through_tanh(&error, &two));
        first.backward(point, &through_tanh(&error, &one));
        let likelihood = if label > 0.5 { guess } else { 1.0 - guess };
        Score { loss: -likelihood.max(1e-7).ln(), right: usize::from(likelihood > 0.5), samples: 1 }
    }
}

fn through_tanh(error: &[f32], output: &[f32]) -> Vec<f32> {
    error.iter().zip(output).map(|(error, y)| error * (1.0 - y * y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns() {
        let rng = &mut Rng::with_seed(7);
        let mut data = Spirals::new(300, rng);
        let mut network = Network::new(24, rng);
        let mut epoch = || {
            let mut score = Score::default();
            data.shuffled(10, rng).for_each(|samples| score.add(network.train(samples)));
            score
        };
        let first = epoch();
        let last = (0..120).map(|_| epoch()).last().unwrap();
        assert!(last.accuracy() > 0.6, "accuracy {}", last.accuracy());
        assert!(last.loss() < first.loss() * 0.95, "loss {} after {}", last.loss(), first.loss());
    }
}
