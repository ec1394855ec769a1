// tests/testdata/codec-golden/pt-model: the model behind pt-model.pt, packed by the project's own codecs.
#pragma once

#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "packed_model.h"
#include "quant/artifact/pt.h"

namespace sub1quant {

inline std::string GoldenPath(const std::string& name) {
  return std::string(SUB1QUANT_TESTDATA "/codec-golden/") + name;
}

inline Json GoldenCheckpoint() { return ParseJson(ReadFile(GoldenPath("pt-model.json")).value()).value(); }

inline PackedModel PackGoldenModel() {
  const Json keys = GoldenCheckpoint()["weight_keys"];
  const auto model = OpenModelDirectory(GoldenPath("pt-model")).value();
  PackedModel packed =
      PackModel(*model, "pt-model", [&](size_t i) { return keys.at(i).at("method").get<std::string>(); }).value();
  packed.manifest.target_bpw = 3.4;
  packed.manifest.allocator = "greedy";
  packed.manifest.uniform_int4 = PackModel(*model, "", [](size_t) { return "groupwise_int4"; }).value().manifest.totals;
  return packed;
}

inline EncodedSource SourceOf(const PackedModel& packed) {
  return [&packed](size_t i) -> absl::StatusOr<EncodedMatrix> { return packed.matrices.at(i); };
}

inline absl::StatusOr<std::string> WritePtToString(const Manifest& manifest, const EncodedSource& source) {
  std::string out;
  const absl::Status status = WritePt(manifest, source, [&](const void* data, size_t size) {
    out.append(static_cast<const char*>(data), size);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace sub1quant
