# What the device module is made of. Built by nvcc in preset cuda-release, and by the C++ compiler against
# tests/support/cuda_on_host in the tests.
set(SUB1QUANT_KERNEL_SOURCES
  quant/codec/int2_group/int2_decode_cuda.cu quant/codec/int2_group/int2_encode_cuda.cu
  quant/codec/int4_group/int4_cuda.cu quant/codec/integer_group/integer_cuda.cu quant/eval/cuda/score_kernels.cu
  quant/search/cuda/published_search.cu)
set(SUB1QUANT_DEVICE_SOURCES
  quant/device/cuda/cuda_device.cc quant/device/cuda/module.cc quant/device/cuda/row_pipeline.cc quant/device/cuda/score_launches.cc)
