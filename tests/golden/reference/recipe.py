"""Schedule, optimizer groups, clipping and EMA of the reference recipe, over torch.optim's own optimizers."""
import copy
import math

import numpy as np
import torch


class Schedule:
    """Plain numbers, named as in include/nn/schedule.h."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def at(self, iteration):
        """lr, lr of biases, momentum, batches per step."""
        left = 1 - (iteration // self.batches_per_epoch) / self.epochs
        lr = self.lr * (left * (1 - self.final_fraction) + self.final_fraction)
        ratio = self.nominal_batch / self.batch_size
        if iteration > self.warmup_iterations:
            return lr, lr, self.momentum, max(round(ratio), 1)
        ramp = lambda start, end: float(np.interp(iteration, [0, self.warmup_iterations], [start, end]))
        return (ramp(0, lr), ramp(self.warmup_bias_lr, lr), ramp(self.warmup_momentum, self.momentum),
                max(int(np.round(ramp(1, ratio))), 1))


class Trainer:
    """Steps over named parameters: biases, decayed weights and BatchNorm scales in groups of their own."""

    def __init__(self, model, kind, schedule, weight_decay):
        self.model, self.schedule, self.kind = model, schedule, kind
        self.ema, self.updates, self.last_step = copy.deepcopy(model), 0, -1
        biases, weights, scales = [], [], []
        for name, p in model.named_parameters():
            (biases if name.endswith("bias") else scales if p.dim() == 1 else weights).append(p)
        groups = [{"params": biases, "weight_decay": 0.0}, {"params": weights, "weight_decay": weight_decay},
                  {"params": scales, "weight_decay": 0.0}]
        if kind == "adamw":
            self.optimizer = torch.optim.AdamW(groups, lr=schedule.lr, betas=(schedule.momentum, 0.999), eps=1e-8)
        else:
            self.optimizer = torch.optim.SGD(groups, lr=schedule.lr, momentum=schedule.momentum, nesterov=True)

    def after_backward(self, iteration):
        """Perhaps a step. Returns the gradient's norm, None when gradients are still being collected."""
        lr, bias_lr, momentum, accumulate = self.schedule.at(iteration)
        for i, group in enumerate(self.optimizer.param_groups):
            group["lr"] = bias_lr if i == 0 else lr
            if self.kind == "sgd":
                group["momentum"] = momentum
        if iteration - self.last_step < accumulate:
            return None
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.last_step = iteration
        self.updates += 1
        keep = 0.9999 * (1 - math.exp(-self.updates / 2000))
        with torch.no_grad():
            for average, now in zip(self.ema.state_dict().values(), self.model.state_dict().values()):
                if average.is_floating_point():
                    average.mul_(keep).add_(now, alpha=1 - keep)
        return float(norm)
