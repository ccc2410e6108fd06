"""How the blueprints of keras.io's examples are trained in tests: small sizes, and their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from helpers import example_data as data
from helpers import example_graphs as graphs
from helpers import example_images as images
from helpers import example_tables as tables

from archbuilder.plain_data import PlainData

FOLDER = Path(__file__).parent.parent.parent / "blueprints" / "examples"


@dataclass(frozen=True)
class Example:
    """A blueprint of an example, what its data is in tests, and for how long it is trained.

    `loss` is the metric that has to fall, in a `stage` or, if that is 0, in the whole run. No
    `epochs` are those of the stages. `weights` are files with which it begins; in tests they have
    random ones. A quick example is trained by `make test`, the others by `make thorough`.
    """

    write_data: Callable[[Path], None]
    params: Mapping[str, PlainData] = field(default_factory=dict)
    epochs: int | None = 3
    batch_size: int = 8
    loss: str = "loss"
    stage: int = 0
    weights: Sequence[str] = ()
    is_quick: bool = False


CITATIONS: Mapping[str, PlainData] = {
    "papers": 24,
    "words": 9,
    "classes": 3,
    "lengths": [8, 24, 96],
}
"""Sizes of a network of citations."""
EXAMPLES: Mapping[str, Example] = {
    "generative/text_generation_with_miniature_gpt": Example(
        data.reviews,
        {"vocabulary": 40, "length": 8, "width": 16, "hidden": 16},
    ),
    "generative/vae": Example(data.mnist, {"filters": [4, 8]}),
    "generative/wgan_gp": Example(
        partial(data.mnist, name="fashion_mnist.npz"),
        {"noise": 8, "filters": 4},
        loss="discriminator_loss",
    ),
    "generative/conditional_gan": Example(
        data.mnist, {"noise": 8, "filters": 4}, epochs=5, loss="discriminator_loss"
    ),
    "generative/cyclegan": Example(
        images.horses_and_zebras,
        {"image_size": 32, "filters": 4, "depth": 1},
        batch_size=2,
        loss="generator_loss",
    ),
    "generative/gaugan": Example(
        images.facades,
        {
            "image_size": 32,
            "classes": 3,
            "latent": 4,
            "filters": 4,
            "widths": [8, 4, 4],
            "hidden": 4,
            "vgg_filters": [4, 4, 4, 4, 4],
        },
        batch_size=4,
        loss="generator_loss",
        weights=("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "generative/wgan-graphs": Example(
        graphs.small_molecules,
        {"latent": 8, "generator_units": [16], "graph_units": [8, 8], "units": [16]},
        loss="discriminator_loss",
    ),
    "generative/molecule_generation": Example(
        partial(graphs.small_molecules, name="zinc.npz"),
        {
            "atoms": 9,
            "kinds": 5,
            "latent": 8,
            "encoder_units": [16],
            "decoder_units": [16, 32],
        },
    ),
    "generative/ddim": Example(
        partial(data.faces, name="flowers"),
        {
            "image_size": 8,
            "widths": [4, 4, 4, 4],
            "depth": 1,
            "frequencies": 4,
            "sampling_steps": 2,
            "learning_rate": 0.02,
        },
        epochs=10,
        batch_size=2,
    ),
    "generative/ddpm": Example(
        partial(data.faces, name="flowers"),
        {
            "image_size": 8,
            "widths": [8, 8, 8, 16],
            "depth": 1,
            "steps": 4,
            "learning_rate": 0.01,
        },
        epochs=5,
        batch_size=2,
    ),
    "graph/gat_node_classification": Example(
        partial(graphs.citations, hops=3),
        {**CITATIONS, "units": 4, "heads": 2},
        epochs=5,
    ),
    "graph/gnn_citations": Example(
        partial(graphs.citations, first=1),
        {**CITATIONS, "citations": 48, "hidden": [8, 8], "dropout": 0.1},
        epochs=8,
    ),
    "graph/node2vec_movielens": Example(
        data.walks, {"vocabulary": 20, "width": 8}, epochs=5, is_quick=True
    ),
    "keras_recipes/antirectifier": Example(data.mnist, {"units": 16}),
    "nlp/addition_rnn": Example(data.addition, {"digits": 1, "units": 16}),
    "nlp/bidirectional_lstm_imdb": Example(
        data.imdb, {"vocabulary": 40, "length": 12, "width": 8, "units": 8}
    ),
    "nlp/neural_machine_translation_with_transformer": Example(
        data.sentence_pairs,
        {"vocabulary": 40, "length": 10, "width": 16, "hidden": 32, "heads": 2},
    ),
    "nlp/text_classification_with_transformer": Example(
        data.imdb, {"vocabulary": 40, "length": 12, "width": 8, "hidden": 8}, epochs=5
    ),
    "structured_data/imbalanced_classification": Example(
        data.credit_card, {"units": 8}, is_quick=True
    ),
    "timeseries/timeseries_classification_transformer": Example(
        data.ford_a,
        {"length": 32, "head_size": 4, "depth": 1, "dropout": 0.0, "head_dropout": 0.0},
        epochs=10,
    ),
    "vision/attention_mil_classification": Example(
        data.bags, {"units": [16, 8], "attention": 8}, epochs=4, is_quick=True
    ),
    "vision/autoencoder": Example(data.noisy_mnist, {"filters": 4}, is_quick=True),
    "vision/conv_lstm": Example(data.moving_mnist, {"image_size": 8, "filters": 4}, batch_size=2),
    "vision/convmixer": Example(data.cifar, {"filters": 8, "depth": 2}),
    "vision/mnist_convnet": Example(data.mnist, {"filters": [4, 8]}, is_quick=True),
    "generative/dcgan_overriding_train_step": Example(
        data.faces,
        {"noise": 8, "image_size": 16, "filters": 8},
        epochs=15,
        loss="discriminator_loss",
    ),
    "generative/lstm_character_level_text_generation": Example(
        partial(data.reviews, name="nietzsche.txt"), {"length": 12, "units": 16}
    ),
    "generative/real_nvp": Example(data.moons, {"units": 16, "pairs": 1}, epochs=6),
    "generative/text_generation_fnet": Example(
        partial(data.sentence_pairs, name="dialogs.tsv"),
        {"vocabulary": 40, "length": 8, "width": 16, "hidden": 32, "heads": 2},
    ),
    "generative/text_generation_gpt": Example(
        partial(data.reviews, name="simplebooks.txt"),
        {"vocabulary": 60, "length": 8, "width": 12, "hidden": 16, "depth": 1},
    ),
    "keras_recipes/approximating_non_function_mappings": Example(
        data.spiral, {"units": 16, "mixtures": 4}
    ),
    "keras_recipes/endpoint_layer_pattern": Example(
        data.random_features, {"features": 12}, epochs=5
    ),
    "keras_recipes/reproducibility_recipes": Example(
        data.mnist, {"image_size": 26, "filters": 16, "units": 32}, epochs=10
    ),
    "keras_recipes/sklearn_metric_callbacks": Example(data.mnist, {"filters": [4, 8]}),
    "keras_recipes/tensorflow_numpy_models": Example(data.boston_housing),
    "keras_recipes/trainer_pattern": Example(data.mnist, {"units": 16}),
    "nlp/lstm_seq2seq": Example(
        partial(data.sentence_pairs, name="fra.tsv"), {"length": 48, "units": 16}
    ),
    "nlp/neural_machine_translation_with_keras_hub": Example(
        data.sentence_pairs,
        {"vocabulary": 80, "length": 16, "width": 16, "hidden": 32, "heads": 2},
    ),
    "timeseries/eeg_signal_classification": Example(
        data.eeg,
        {
            "length": 64,
            "filters": [4, 4, 8, 8, 16, 16],
            "first_units": 32,
            "units": [16, 16, 16],
        },
    ),
    "timeseries/timeseries_classification_from_scratch": Example(
        data.ford_a, {"length": 32, "filters": 8}
    ),
    "vision/3D_image_classification": Example(
        data.ct_scans,
        {"size": 46, "depth": 46, "filters": [2, 2, 4, 4], "units": 8},
        batch_size=2,
        epochs=6,
    ),
    "vision/cct": Example(partial(data.cifar, label_shape=()), {"filters": 4, "width": 16}),
    "vision/eanet": Example(
        partial(data.cifar, label_shape=()),
        {"patch_size": 8, "width": 16, "hidden": 16, "heads": 1, "depth": 1},
    ),
    "vision/gradient_centralization": Example(
        partial(data.image_folders, name="horse-or-human", classes=("horses", "humans")),
        {"image_size": 94, "filters": [4, 4, 4, 4, 4], "units": 16},
        epochs=5,
    ),
    "vision/image_classification_from_scratch": Example(
        partial(data.image_folders, name="PetImages", classes=("Cat", "Dog"), damaged=True),
        {"image_size": 16, "filters": [4, 8, 8, 8, 16]},
        epochs=5,
    ),
    "vision/image_classification_with_vision_transformer": Example(
        data.cifar, {"image_size": 36, "width": 8, "depth": 1, "head_units": [32]}
    ),
    "vision/involution": Example(data.cifar, {"units": 16}),
    "vision/mlp_image_classification": Example(data.cifar, {"width": 16, "depth": 1}),
    "vision/vivit": Example(
        data.organs, {"size": 8, "patch_size": 4, "width": 16, "heads": 2, "depth": 1}
    ),
    "vision/xray_classification_with_tpus": Example(
        partial(data.image_folders, name="chest_xray", classes=("NORMAL", "PNEUMONIA")),
        {"image_size": 32, "filters": [4, 4, 4, 4, 4], "units": [16, 8, 8]},
        epochs=5,
    ),
    "keras_recipes/quasi_svm": Example(data.mnist, {"features": 64}),
    "vision/focal_modulation_network": Example(
        data.cifar,
        {
            "image_size": 32,
            "width": 8,
            "depths": [1, 1, 1],
            "dropout": 0.0,
            "learning_rate": 0.1,
        },
        epochs=6,
    ),
    "vision/mobilevit": Example(
        partial(data.image_folders, name="flower_photos", classes=("daisy", "rose", "tulip")),
        {
            "image_size": 64,
            "filters": [4, 4, 8],
            "widths": [8, 8, 8],
            "depths": [1, 1, 1],
            "last": 16,
        },
        epochs=5,
    ),
    "vision/patch_convnet": Example(data.cifar, {"image_size": 32, "width": 8, "depth": 1}),
    "vision/pointnet": Example(data.model_net, {"points": 16, "scale": 4, "dropout": 0.0}),
    "vision/pointnet_segmentation": Example(data.airplanes, {"points": 16, "scale": 4}),
    "vision/token_learner": Example(data.cifar, {"image_size": 24, "width": 16, "depth": 2}),
    "keras_recipes/creating_tfrecords": Example(
        data.coco_records, {"image_size": 32, "width": 0.1, "repeats": [1] * 7}, epochs=5
    ),
    "vision/learnable_resizer": Example(
        partial(data.image_folders, name="cats_vs_dogs", classes=("cats", "dogs"), damaged=True),
        {"image_size": 40, "small_size": 32, "filters": 4, "depths": [1, 1, 1, 1], "growth": 4},
        epochs=6,
    ),
    "vision/perceiver_image_classification": Example(
        data.cifar,
        {"image_size": 32, "patch_size": 8, "latents": 4, "width": 16, "heads": 2, "depth": 1},
    ),
    "vision/randaugment": Example(
        data.cifar, {"image_size": 32, "filters": 4, "depths": [2, 2, 2, 2]}, epochs=5
    ),
    "vision/shiftvit": Example(
        data.cifar,
        {"image_size": 32, "width": 8, "group": 1, "depths": [1, 1], "dropout": 0.0},
        epochs=6,
    ),
    "vision/swin_transformers": Example(
        partial(data.cifar, label_shape=()), {"patch_size": 8, "width": 16, "heads": 2}
    ),
    "vision/temporal_latent_bottleneck": Example(
        data.cifar,
        {"image_size": 32, "patch_size": 8, "chunk": 8, "width": 16, "layers": 2, "dropout": 0.0},
        epochs=10,
    ),
    "vision/vit_small_ds": Example(
        data.cifar, {"image_size": 24, "width": 8, "heads": 2, "depth": 1, "head_units": [32]}
    ),
    "keras_recipes/memory_efficient_embeddings": Example(
        tables.ratings_of_users,
        {"users": 10, "movies": 15, "width": 8, "buckets": 4, "bounds": [1, 5, 9]},
        epochs=5,
    ),
    "structured_data/collaborative_filtering_movielens": Example(
        tables.ratings, {"users": 10, "movies": 15, "width": 8}, epochs=5
    ),
    "structured_data/deep_neural_decision_forests": Example(
        tables.adult, {"trees": 2, "depth": 3}, epochs=5
    ),
    "structured_data/structured_data_classification_from_scratch": Example(
        tables.heart, {"units": 16}, is_quick=True
    ),
    "structured_data/tabtransformer": Example(
        tables.adult, {"width": 4, "heads": 2, "depth": 1}, epochs=5
    ),
    "structured_data/wide_deep_cross_networks": Example(tables.covertype, epochs=4),
    "structured_data/classification_with_grn_and_vsn": Example(tables.census, {"width": 4}),
    "structured_data/feature_space_advanced": Example(tables.bank, {"units": 16}),
    "structured_data/structured_data_classification_with_feature_space": Example(
        tables.heart, {"units": 16}
    ),
    "vision/video_classification": Example(
        data.video_frames, {"length": 6, "features": 8}, epochs=10
    ),
    "vision/video_transformers": Example(
        data.video_frames, {"length": 6, "features": 8}, epochs=10
    ),
    "vision/nerf": Example(
        data.scene,
        {"image_size": 8, "samples": 6, "frequencies": 3, "units": 16, "depth": 6},
        epochs=8,
        batch_size=2,
    ),
    "generative/pixelcnn": Example(
        data.binary_mnist, {"image_size": 12, "filters": 8, "depth": 1}, epochs=5
    ),
    "graph/mpnn-molecular-graphs": Example(
        graphs.molecules,
        {
            "atoms": [4, 6],
            "bonds": [12, 20],
            "atom_features": 5,
            "bond_features": 3,
            "units": 8,
            "steps": 2,
            "heads": 2,
            "dense": 16,
        },
    ),
    "keras_recipes/tfrecord": Example(
        data.melanomas,
        {"image_size": 72, "width": 0.05, "depth": 1},
        epochs=6,
        weights=("xception_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "audio/ctc_asr": Example(
        data.spoken_letters,
        {
            "samples": 480,
            "frame": 32,
            "step": 16,
            "fft": 48,
            "filters": 4,
            "depth": 1,
            "units": 16,
            "classes": 5,
        },
        epochs=5,
    ),
    "audio/speaker_recognition_using_cnn": Example(
        data.speech, {"samples": 400, "filters": [4, 4, 4, 8, 8], "units": [16, 16]}, epochs=5
    ),
    "audio/uk_ireland_accent_recognition": Example(
        data.accents, {"features": 16, "units": [64, 64, 64, 64]}, epochs=10
    ),
    "nlp/multi_label_classification": Example(
        tables.abstracts, {"vocabulary": 30, "units": [16, 16], "classes": 3}
    ),
    "structured_data/movielens_recommendations_transformers": Example(
        tables.rated_movies, {"movies": 20, "heads": 2, "hidden": [16, 8]}, epochs=5
    ),
    "vision/captcha_ocr": Example(
        images.captchas,
        {"width": 32, "height": 8, "filters": [4, 8], "units": [16, 16, 16], "classes": 5},
    ),
    "vision/handwriting_recognition": Example(
        images.handwriting,
        {"width": 32, "height": 8, "filters": [4, 8], "units": [16, 16, 16], "classes": 5},
    ),
    "vision/keypoint_detection": Example(
        images.dogs,
        {
            "image_size": 64,
            "alpha": 0.1,
            "depths": [1, 1, 1, 1, 1, 1, 1],
            "last": 16,
            "keypoints": 4,
        },
        epochs=5,
        weights=("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",),
    ),
    "vision/object_detection_using_vision_transformer": Example(
        images.boxes,
        {
            "image_size": 24,
            "patch_size": 8,
            "width": 8,
            "depth": 1,
            "units": [32, 16],
            "dropout": 0.0,
        },
        epochs=6,
    ),
    "vision/oxford_pets_image_segmentation": Example(
        images.pets, {"image_size": 32, "filters": [4, 4, 4, 8]}
    ),
    "vision/super_resolution_sub_pixel": Example(
        images.photos, {"size": 12, "filters": [4, 4, 4]}, epochs=5
    ),
    "vision/edsr": Example(images.tiles, {"size": 8, "filters": 8, "depth": 1}, epochs=5),
    "vision/deeplabv3_plus": Example(
        images.people,
        {
            "image_size": 32,
            "widths": [4, 4, 4, 8],
            "depths": [2, 1, 2],
            "filters": 8,
            "low_filters": 4,
            "classes": 3,
        },
        weights=("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "nlp/text_classification_from_scratch": Example(
        data.review_files, {"vocabulary": 40, "length": 63, "width": 16}, epochs=8
    ),
    "nlp/fnet_classification_with_keras_hub": Example(
        data.review_files,
        {"vocabulary": 60, "length": 16, "width": 16, "hidden": 32, "depth": 1},
    ),
    "nlp/pretrained_word_embeddings": Example(
        data.news_and_words,
        {"vocabulary": 40, "length": 149, "width": 2, "filters": 8, "classes": 2},
        epochs=8,
    ),
    "vision/siamese_contrastive": Example(data.digit_pairs),
    "vision/siamese_network": Example(
        images.look_alikes,
        {
            "image_size": 32,
            "widths": [4, 4, 4, 8],
            "depths": [1, 1, 1, 2],
            "units": [16, 8],
            "margin": 100.0,
        },
        weights=("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "timeseries/timeseries_anomaly_detection": Example(
        tables.daily, {"length": 32, "filters": [8, 4], "dropout": 0.0}, batch_size=16
    ),
    "timeseries/timeseries_traffic_forecasting": Example(
        data.traffic, {"roads": 5, "length": 6, "features": 4, "units": 8}
    ),
    "timeseries/timeseries_weather_forecasting": Example(
        tables.climate,
        {"length": 8, "step": 2, "ahead": 4, "units": 8},
        batch_size=16,
    ),
    "nlp/ner_transformers": Example(
        tables.entities, {"vocabulary": 30, "length": 10, "width": 8, "heads": 2, "hidden": 16}
    ),
    "vision/fully_convolutional_network": Example(
        images.pets,
        {
            "image_size": 32,
            "filters": [4, 4, 8, 8, 8],
            "depths": [1, 1, 1, 1, 1],
            "units": 16,
        },
        epochs=5,
        weights=(
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "vgg19_fully_connected.safetensors",
        ),
    ),
    "vision/image_captioning": Example(
        images.captions,
        {
            "image_size": 32,
            "alpha": 0.1,
            "repeats": [1, 1, 1, 1, 1, 1, 1],
            "features": 16,
            "vocabulary": 12,
            "length": 6,
            "width": 16,
            "hidden": 16,
        },
        epochs=6,
        weights=("efficientnetb0_notop.weights.h5",),
    ),
    "vision/cutmix": Example(data.cifar, {"filters": [4, 4, 8], "depth": 1}, epochs=5),
    "vision/mixup": Example(
        partial(data.mnist, name="fashion_mnist.npz"), {"filters": [8, 16], "units": 16}, epochs=5
    ),
    "generative/adain": Example(
        images.paintings,
        {"image_size": 16, "filters": [4, 4, 8, 8]},
        epochs=6,
        weights=("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "vision/depth_estimation": Example(
        data.depths, {"image_size": 16, "filters": [4, 4, 4, 4, 8]}, epochs=5
    ),
    "vision/retinanet": Example(
        images.objects,
        {
            "image_size": 128,
            "widths": [4, 4, 8, 8],
            "depths": [1, 1, 1, 1],
            "filters": 8,
            "classes": 2,
            "length": 3,
            "candidates": 20,
            "learning_rates": [0.05] * 6,
        },
        epochs=6,
        batch_size=4,
        weights=("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",),
    ),
    "vision/zero_dce": Example(
        images.dark_photos, {"image_size": 16, "filters": 8, "iterations": 4}, epochs=5
    ),
    "nlp/masked_language_modeling": Example(
        data.review_files,
        {"vocabulary": 40, "length": 16, "width": 16, "heads": 2, "epochs": [2, 3, 3]},
        epochs=None,
        stage=2,
    ),
    "vision/image_classification_efficientnet_fine_tuning": Example(
        partial(data.image_folders, name="stanford_dogs", classes=("affenpinscher", "basenji")),
        {
            "image_size": 32,
            "alpha": 0.1,
            "repeats": [1, 1, 1, 1, 1, 1, 1],
            "classes": 2,
            "epochs": [4, 2],
        },
        epochs=None,
        weights=("efficientnetb0_notop.weights.h5",),
    ),
    "vision/fixres": Example(
        partial(data.image_folders, name="flower_photos", classes=("daisy", "roses")),
        {"sizes": [32, 48], "filters": 4, "depths": [2, 2, 2, 2], "classes": 2, "epochs": [4, 2]},
        epochs=None,
    ),
    "vision/knowledge_distillation": Example(
        data.mnist,
        {"teacher_filters": [8, 8], "student_filters": [4, 4], "epochs": [2, 3]},
        epochs=None,
        loss="student_loss",
    ),
    "vision/masked_image_modeling": Example(
        data.cifar,
        {
            "image_size": 24,
            "width": 8,
            "decoder_width": 8,
            "heads": 2,
            "depth": 1,
            "decoder_depth": 1,
            "epochs": [2, 3],
        },
        epochs=None,
        stage=2,
    ),
    "vision/simsiam": Example(
        partial(data.cifar, label_shape=()),
        {"width": 4, "depth": 1, "projected": 16, "latent": 8},
    ),
    "generative/vq_vae": Example(
        data.mnist,
        {"filters": [8, 16], "width": 4, "codes": 8, "units": 8, "depth": 1, "epochs": [8, 3]},
        epochs=None,
    ),
    "vision/mirnet": Example(
        images.dark_pairs,
        {"image_size": 12, "height": 20, "width": 24, "groups": 1, "depth": 1, "channels": 8},
        epochs=5,
    ),
    "audio/stft": Example(
        data.surroundings,
        {
            "samples": 240,
            "frame": 16,
            "step": 4,
            "fft": 16,
            "filters": [8, 8, 8, 8, 8],
            "kernels": [4, 4, 3, 3, 2],
            "units": 16,
            "dropout": 0.0,
            "learning_rate": 0.01,
        },
    ),
    "timeseries/eeg_bci_ssvepformer": Example(
        data.flicker,
        {
            "channels": 2,
            "samples": 32,
            "fft": 64,
            "band": [2, 30],
            "depth": 1,
            "dropout": 0.0,
            "learning_rate": 0.05,
        },
        epochs=5,
    ),
    "audio/transformer_asr": Example(
        data.spoken_texts,
        {
            "samples": 480,
            "frame": 24,
            "step": 16,
            "fft": 32,
            "length": 5,
            "width": 16,
            "hidden": 16,
            "encoders": 1,
            "dropout": 0.0,
            "decoder_dropout": 0.0,
            "classes": 6,
            "learning_rate": 0.01,
        },
    ),
    "audio/vocal_track_separation": Example(
        data.songs,
        {
            "samples": 120,
            "fft": 32,
            "step": 8,
            "subbands": 2,
            "channels": 4,
            "growth": 2,
            "scales": 1,
            "depth": 1,
            "learning_rate": 0.01,
        },
    ),
    "generative/midi_generation_with_transformer": Example(
        data.performances,
        {
            "vocabulary": 15,
            "length": 10,
            "width": 8,
            "heads": 2,
            "depth": 1,
            "dropout": 0.0,
            "embedding_dropout": 0.0,
            "warmup_steps": 20,
        },
    ),
    "vision/consistency_training": Example(
        data.cifar,
        {
            "large_size": 36,
            "image_size": 32,
            "filters": 4,
            "depths": [2, 2, 2, 2],
            "epochs": [3, 5],
        },
        epochs=None,
        loss="student_loss",
        stage=2,
    ),
    "keras_recipes/subclassing_conv_layers": Example(data.mnist, {"filters": [4, 8]}),
    "vision/bit": Example(
        partial(data.image_folders, name="flower_photos", classes=("daisy", "rose", "tulip")),
        {
            "image_size": 40,
            "crop_size": 32,
            "depths": [1, 1, 1, 1],
            "groups": 8,
            "classes": 3,
        },
        epochs=6,
        weights=("bit_m_r50x1.safetensors",),
    ),
    "structured_data/customer_lifetime_value": Example(
        data.sales, {"countries": 3, "width": 4, "hidden": 4, "units": 8}, epochs=4
    ),
    "vision/image_classification_using_global_context_vision_transformer": Example(
        partial(data.image_folders, name="flower_photos", classes=("daisy", "rose", "tulip")),
        {
            "image_size": 32,
            "windows": [4, 2, 2, 1],
            "width": 8,
            "depths": [2, 2, 2, 2],
            "heads": [1, 1, 2, 2],
            "halvings": [1, 1, 0, 0],
            "classes": 3,
        },
        epochs=5,
        weights=("gcvitxxtiny.safetensors",),
    ),
    "nlp/text_classification_with_switch_transformer": Example(
        data.imdb, {"vocabulary": 40, "length": 12, "width": 8, "experts": 3}, epochs=5
    ),
    "vision/deit": Example(
        partial(data.image_folders, name="flower_photos", classes=("daisy", "rose", "tulip")),
        {
            "image_size": 32,
            "crop_margin": 4,
            "width": 8,
            "heads": 1,
            "depth": 2,
            "teacher_depths": [1, 1, 1, 1],
            "teacher_width": 1,
            "teacher_groups": 8,
            "classes": 3,
        },
        epochs=8,
        weights=("bit_teacher_flowers.safetensors",),
    ),
    "timeseries/event_classification_for_payment_card_fraud_detection": Example(
        tables.card_payments, epochs=5, is_quick=True
    ),
    "keras_recipes/sample_size_estimate": Example(
        partial(data.image_folders, name="flower_photos", classes=("daisy", "rose", "tulip")),
        {
            "fraction": 0.5,
            "image_size": 32,
            "alpha": 0.1,
            "depths": [1, 1, 1, 1, 1, 1, 1],
            "last": 16,
            "classes": 3,
            "epochs": [5, 2],
        },
        epochs=None,
        stage=1,
        weights=("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",),
    ),
    "keras_recipes/better_knowledge_distillation": Example(
        data.flower_sets,
        {
            "image_size": 36,
            "crop_size": 32,
            "teacher_depths": [1, 1, 1, 1],
            "teacher_width": 1,
            "groups": 8,
            "filters": 4,
            "depths": [2, 2, 2, 2],
            "temperature": 1,
            "warmup_steps": 3,
            "decay_steps": 60,
            "classes": 3,
        },
        epochs=20,
        weights=("bit_resnet101x3_flowers102.safetensors",),
    ),
    "vision/adamatch": Example(data.domains, {"filters": 4, "width": 1, "depth": 1}, epochs=5),
    "vision/barlow_twins": Example(
        partial(data.cifar, label_shape=()),
        {"filters": 4, "depths": [1, 1, 1, 1], "projected": 16},
        epochs=8,
    ),
    "vision/forwardforward": Example(
        data.mnist, {"units": 16}, epochs=5, loss="second_loss", is_quick=True
    ),
    "vision/metric_learning": Example(
        data.pairs, {"filters": [4, 4, 8]}, epochs=10, batch_size=10, is_quick=True
    ),
    "vision/metric_learning_tf_similarity": Example(
        partial(data.cifar, label_shape=()),
        {"filters": [4, 4, 8, 8], "width": 8},
        epochs=10,
        batch_size=20,
    ),
    "vision/nnclr": Example(
        partial(data.partly_labeled, size=64),
        {"image_size": 64, "width": 8, "queue": 32},
        epochs=8,
        batch_size=16,
        loss="encoder_loss",
    ),
    "vision/supervised-contrastive-learning": Example(
        partial(data.cifar, label_shape=()),
        {"filters": 4, "depths": [2, 2, 2, 2], "projected": 8},
        epochs=5,
        batch_size=16,
    ),
    "keras_recipes/bayesian_neural_networks": Example(data.wines, {"examples": 170}, epochs=10),
    "vision/basnet_segmentation": Example(
        images.salient_objects,
        {"image_size": 32, "filters": 16, "depths": [1, 1, 1, 1], "ssim_window": 7},
        epochs=5,
    ),
    "vision/nl_image_search": Example(
        data.captioned_features,
        {"image_features": 6, "text_features": 5, "hidden": 16, "width": 8},
        is_quick=True,
    ),
    "vision/semantic_image_clustering": Example(
        data.neighbors,
        {"filters": 4, "depths": [2, 2, 2, 2], "width": 16, "clusters": 4},
        epochs=5,
        batch_size=16,
        weights=("encoder.weights.h5",),
    ),
    "vision/semisupervised_simclr": Example(
        partial(data.partly_labeled, size=64),
        {"image_size": 64, "width": 8},
        epochs=8,
        batch_size=16,
        loss="encoder_loss",
    ),
}
