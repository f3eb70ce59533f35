// SPDX-License-Identifier: MIT
#pragma once

#include "case_folder.h"

// One function per kind of case. Each recomputes what the folder stores and compares it; all names,
// sizes, tags and seeds come from case.json and the tensor files.

namespace medaug::golden {

void run_adamw(CaseFolder& folder);
void run_efficientnet_lite0(CaseFolder& folder);
void run_gemma_tiny(CaseFolder& folder);
void run_metrics(CaseFolder& folder);
void run_nextdit_diffusers(CaseFolder& folder);
void run_nextdit_lumina(CaseFolder& folder);
void run_nextdit_retina(CaseFolder& folder);
void run_resnet(CaseFolder& folder);
void run_tokenizer(CaseFolder& folder);
void run_transport(CaseFolder& folder);
void run_sampler_dpm(CaseFolder& folder);
void run_vae_tiny(CaseFolder& folder);

}  // namespace medaug::golden
