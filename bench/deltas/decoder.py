# SPDX-License-Identifier: Apache-2.0
"""A decoder-only transformer over bytes: pre-norm, learned positions, 10.9 million parameters."""

import math

import torch
from torch import nn

VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS = 256, 128, 384, 6, 6


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention_in = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attention_out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.mlp_in = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.mlp_out = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x, future):
        batch, length, _ = x.shape
        parts = self.attention_in(self.norm_attention(x)).view(batch, length, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) / math.sqrt(WIDTH // HEADS) + future
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, WIDTH)
        x = x + self.attention_out(mixed)
        return x + self.mlp_out(nn.functional.gelu(self.mlp_in(self.norm_mlp(x))))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(CONTEXT, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                # What adds to the residual stream starts smaller, so that depth does not widen it.
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if "_out" in name else 0.02)

    def forward(self, tokens):
        length = tokens.shape[1]
        future = torch.full((length, length), -math.inf).triu(1)
        x = self.embedding(tokens) + self.positions.weight[:length]
        for layer in self.layers:
            x = layer(x, future)
        return self.head(self.norm(x))

    def loss(self, tokens):
        """The mean cross entropy of each byte after the first, in nats."""
        return nn.functional.cross_entropy(self(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
