"""The cell of an echo state network: leaky units with random, untrained weights."""

from __future__ import annotations

from typing import Final

import keras
from keras import ops

from archbuilder.keras_ext.layers._typing import Config, Shape, Tensor
from archbuilder.keras_ext.layers.reservoir import Reservoir

MIN_CONNECTIONS_PER_UNIT: Final = 0.1
"""Minimum for the average per unit. With fewer, hardly any reservoir has a cycle."""


@keras.saving.register_keras_serializable(package="archbuilder")
class ReservoirCell(keras.layers.Layer):
    """The cell of an echo state network, for the layer `RNN`.

    `state = (1 - leak_rate) * previous + leak_rate * activation(input @ kernel + previous @
    reservoir + bias)`

    where `previous` is the previous state; the output is the state. None of the weights are
    trained. The kernel is uniform between `-input_scaling` and `input_scaling`, the bias between
    `-bias_scaling` and `bias_scaling`. The reservoir has a fraction `density` of all connections,
    uniform and scaled so that its largest eigenvalue has the absolute value `spectral_radius`; one
    without a cycle, whose eigenvalues are all zero, is drawn again. The trained part of the network
    is a dense layer after the `RNN`.

    **Trap.** A spectral radius below one neither guarantees that the states forget the initial
    state, nor is it necessary for that: with leak rates below one, radii above one are often best.

    The eigenvalues of 1,000 units take about a second, those of 4,000 a minute. The reservoir is
    stored as a dense matrix.

    Source: Jaeger 2001, "The echo state approach to analysing and training recurrent neural
    networks", GMD report 148; Jaeger et al. 2007, "Optimization and applications of echo state
    networks with leaky-integrator neurons", equation 2.

    Args:
        units: Integer, the number of units.
        spectral_radius: Number above zero, the largest absolute value of an eigenvalue.
        density: Number above zero and up to one, the fraction of connections that are not zero.
        leak_rate: Number above zero and up to one, the weight of the new state; 1 for no leak.
        input_scaling: Number, the largest absolute value of an input weight.
        bias_scaling: Number, the largest absolute value of a bias.
        activation: Activation function.
        seed: Integer, for reproducible weights.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Call arguments:
        inputs: The inputs of one time step, `(batch, features)`.
        states: The previous state, `(batch, units)`.
    """

    def __init__(
        self,
        units: int,
        spectral_radius: float = 0.9,
        density: float = 0.01,
        leak_rate: float = 1.0,
        *,
        input_scaling: float = 1.0,
        bias_scaling: float = 0.0,
        activation: object = "tanh",
        seed: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("units", units), ("spectral_radius", spectral_radius)):
            if value <= 0:
                raise ValueError(f"{name} must be above zero, not {value}")
        for name, value in (("density", density), ("leak_rate", leak_rate)):
            if not 0 < value <= 1:
                raise ValueError(f"{name} must be above zero and at most one, not {value}")
        for name, value in (("input_scaling", input_scaling), ("bias_scaling", bias_scaling)):
            if value < 0:
                raise ValueError(f"{name} must be zero or more, not {value}")
        if density * units < MIN_CONNECTIONS_PER_UNIT:
            raise ValueError(
                f"a density of {density} gives each of {units} units {density * units:.2g}"
                f" connections: with less than {MIN_CONNECTIONS_PER_UNIT} a reservoir has no cycles"
            )
        self.units = units
        self.spectral_radius = spectral_radius
        self.density = density
        self.leak_rate = leak_rate
        self.input_scaling = input_scaling
        self.bias_scaling = bias_scaling
        self.activation = keras.activations.get(activation)
        self.seed = seed
        self.state_size = units
        self.output_size = units

    def build(self, input_shape: Shape) -> None:
        """Create the weights, all of them non-trainable."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units),
            initializer=self._uniform(self.input_scaling, 0),
            trainable=False,
            name="kernel",
        )
        self.reservoir = self.add_weight(
            shape=(self.units, self.units),
            initializer=Reservoir(self.spectral_radius, self.density, self.seed),
            trainable=False,
            name="reservoir",
        )
        self.bias = self.add_weight(
            shape=(self.units,),
            initializer=self._uniform(self.bias_scaling, 1),
            trainable=False,
            name="bias",
        )

    def _uniform(self, scale: float, seed_offset: int) -> keras.initializers.Initializer:
        """Return an initializer that is uniform between `-scale` and `scale`."""
        # The offset, 0 or 1, gives the two weights different seeds. With the same seed they would
        # have the same numbers.
        seed = None if self.seed is None else 2 * self.seed + seed_offset
        return keras.initializers.RandomUniform(-scale, scale, seed=seed)

    def call(self, inputs: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new state, as the output and as the state."""
        # `RNN` passes a list of states, other callers may pass the tensor itself.
        previous_state = states[0] if isinstance(states, list | tuple) else states
        pre_activation = (
            ops.matmul(inputs, self.kernel) + ops.matmul(previous_state, self.reservoir) + self.bias
        )
        state = (1 - self.leak_rate) * previous_state + self.leak_rate * self.activation(
            pre_activation
        )
        return state, [state] if isinstance(states, list | tuple) else state

    def compute_output_shape(
        self, inputs_shape: Shape, states_shape: Shape | None = None
    ) -> tuple[Shape, Shape]:
        """Return the shape of the output and of the state, which are equal."""
        del states_shape
        shape = (inputs_shape[0], self.units)
        return shape, shape

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "spectral_radius": self.spectral_radius,
            "density": self.density,
            "leak_rate": self.leak_rate,
            "input_scaling": self.input_scaling,
            "bias_scaling": self.bias_scaling,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
        }
