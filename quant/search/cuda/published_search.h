// The search of the published formats on a device, groupwise_int4 and the INT2 ones together: the sums of
// quant/search/search.h in one pass over the weights. Group sizes 32, 64, 128, 256.
#pragma once

#include "quant/codec/kernel_types.h"
#include "quant/codec/launch.h"

namespace sub1quant {

// Which sums a search makes.
struct PublishedRequest {
  bool int4 = false;  // groupwise_int4
  bool int2 = false;  // int2_base, int2_binary_residual and `corrections`
  SearchedCorrections corrections;
};

// report.limbs: the sums of groupwise_int4, int2_base, int2_binary_residual, and of each K; 0 for what was not asked
// for. A group that a requested format refuses reports its number and adds nothing. Returns as soon as the kernel is in
// the stream.
cudaError_t LaunchPublishedSearch(const Launch& launch, const WeightBlock& block, int group_size,
                                  const PublishedRequest& request, KernelReport report);

}  // namespace sub1quant
