// Whole rows of embed_tokens_per_layer on a device: read once for all layers of some windows, each id once. Private to
// this folder.
#pragma once

#include <ATen/core/Tensor.h>

#include <unordered_map>
#include <vector>

#include "quant/eval/torch/file_rows.h"
#include "quant/eval/torch/matrix_buffer.h"

namespace sub1quant {

// Of the ids of some sequence: rows, and which row belongs to each id.
struct PerLayerRows {
  at::Tensor rows;    // [distinct ids, columns of all layers], as stored
  at::Tensor places;  // int64 [ids]

  bool defined() const { return rows.defined(); }
  // Columns [first, first + count) for each id, in `type`.
  at::Tensor Columns(int64_t first, int64_t count, at::ScalarType type) const;
};

struct PerLayerFetch;

class PerLayerTable {
 public:
  // Rows of `ids` on `device`, in memory of `buffer`; they hold their values once the steps are done. Every id is
  // inside the table. `file` must outlive the steps.
  static PerLayerFetch Fetch(const FileRows& file, const std::vector<int64_t>& ids, const at::Device& device,
                             MatrixBuffer& buffer);
  // `ids` are among those of Fetch.
  PerLayerRows Of(const std::vector<int64_t>& ids) const;

 private:
  at::Tensor rows_;
  std::unordered_map<int64_t, int64_t> places_;
};

struct PerLayerFetch {
  PerLayerTable table;
  FetchSteps steps;
};

}  // namespace sub1quant
