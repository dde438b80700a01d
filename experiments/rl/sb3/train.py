"""stable-baselines3's own PPO as a member of a population, by hand: the library's trainer is not rewritten.

    pip install stable-baselines3 gymnasium          # with PyTorch; not part of make check
    PYTHONPATH=../../../python/src pbt run pbt.yaml

Five lines make a member of it: load, set the hyperparameters that PBT explores, learn(), report, save.
"""

import sys
from pathlib import Path

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import pbt

torch.set_num_threads(1)
ENV = "CartPole-v1"

for segment in pbt.segments(defaults={"learning_rate": 3e-4, "ent_coef": 0.0, "clip_range": 0.2}):
    h = segment.hypers
    envs = make_vec_env(ENV, n_envs=4, seed=segment.seed % 2**31)
    if segment.fresh:
        model = PPO("MlpPolicy", envs, n_steps=256, seed=segment.weight_seed % 2**31, device="cpu")
    else:
        if segment.load:
            model = PPO.load(Path(segment.load) / "ppo.zip", device="cpu")
        model.set_env(envs)
    model.set_random_seed(segment.seed % 2**31)
    model.lr_schedule = lambda _, lr=h.learning_rate: lr
    model.clip_range = lambda _, clip=h.clip_range: clip
    model.ent_coef = h.ent_coef
    segment.in_force(learning_rate=model.lr_schedule(1), clip_range=model.clip_range(1), ent_coef=model.ent_coef)
    model.learn(segment.steps, reset_num_timesteps=False)
    returns, _ = evaluate_policy(
        model, make_vec_env(ENV, seed=segment.seed % 2**31 + 1), n_eval_episodes=20, return_episode_rewards=True
    )
    segment.report(sum(returns) / len(returns), samples=returns, save=lambda to, m=model: m.save(Path(to) / "ppo.zip"))
    print(f"segment {segment.id}: {returns}", file=sys.stderr)
