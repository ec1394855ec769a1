#include "proto/convert/convert.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;

const std::string kDigest(64, 'd');

TensorRecord Tensor() { return {"model.a.weight", DType::kBF16, {3, 5}, "model.safetensors", 128, 30}; }

// Through bytes, as the wire does.
template <typename Value>
absl::StatusOr<Value> OverTheWire(const Value& value) {
  auto proto = ToProto(value);
  decltype(proto) parsed;
  if (!parsed.ParseFromString(proto.SerializeAsString())) return absl::InternalError("does not parse");
  return FromProto(parsed);
}

TEST(Convert, SearchTaskAndResult) {
  const SearchTask task{{"root", "path"}, Tensor(), "identity", 64, {"int2_base", "groupwise_int4"}};
  auto back = OverTheWire<Task>(task);
  ASSERT_TRUE(back.ok()) << back.status();
  const auto& t = std::get<SearchTask>(*back);
  EXPECT_EQ(t.model, task.model);
  EXPECT_EQ(t.tensor, task.tensor);
  EXPECT_EQ(t.file_identity, "identity");
  EXPECT_EQ(t.group_size, 64);
  EXPECT_EQ(t.methods, task.methods);

  const SearchResult result{kDigest, {{"groupwise_int4", 77, ExactSum::FromParts(3, 0xfedcba9876543210u)}}};
  auto answer = OverTheWire<TaskResult>(result);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(std::get<SearchResult>(*answer).rows, result.rows);
  EXPECT_EQ(std::get<SearchResult>(*answer).tensor_sha256, kDigest);
}

TEST(Convert, PackTaskAndResult) {
  auto back = OverTheWire<Task>(PackTask{{"r", "p"}, Tensor(), "i", 32, "int2_error_budget_k4"});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(std::get<PackTask>(*back).method, "int2_error_budget_k4");
  EXPECT_EQ(std::get<PackTask>(*back).group_size, 32);
  const PackResult result{kDigest, std::string(64, 'e'), 10, 9, {"groupwise_int4", 77, ExactSum::FromParts(0, 5)}};
  auto answer = OverTheWire<TaskResult>(result);
  ASSERT_TRUE(answer.ok()) << answer.status();
  const auto& r = std::get<PackResult>(*answer);
  EXPECT_EQ(r.blob_sha256, result.blob_sha256);
  EXPECT_EQ(r.blob_bytes, 10u);
  EXPECT_EQ(r.stored_bytes, 9u);
  EXPECT_EQ(r.row, result.row);
}

TEST(Convert, ScoreTaskAndResult) {
  auto back = OverTheWire<Task>(ScoreTask{{"r", "p"}, "m", kDigest, kDigest, true, 128, 64, 4, 8, "float32"});
  ASSERT_TRUE(back.ok()) << back.status();
  const auto& t = std::get<ScoreTask>(*back);
  EXPECT_TRUE(t.bos_per_window);
  EXPECT_EQ(t.window, 128);
  EXPECT_EQ(t.stride, 64);
  EXPECT_EQ(t.first, 4);
  EXPECT_EQ(t.count, 8);
  EXPECT_EQ(t.manifest_sha256, kDigest);
  EXPECT_EQ(t.dtype, "float32");

  ScoreResult result;
  result.windows = {{4, 511, 512, ExactSum::FromParts(7, 1), ExactSum::FromParts(8, 2)}};
  result.dtype = "float32";
  result.device = "cpu";
  result.seconds = 1.5;
  result.replaced = 3;
  result.shape_mismatches = 1;
  auto answer = OverTheWire<TaskResult>(result);
  ASSERT_TRUE(answer.ok()) << answer.status();
  const auto& r = std::get<ScoreResult>(*answer);
  ASSERT_EQ(r.windows.size(), 1u);
  EXPECT_EQ(r.windows[0].weight, 512);
  EXPECT_EQ(r.windows[0].nll, result.windows[0].nll);
  EXPECT_EQ(r.windows[0].nll_squared, result.windows[0].nll_squared);
  EXPECT_EQ(r.seconds, 1.5);
  EXPECT_EQ(r.replaced, 3);
  EXPECT_EQ(r.shape_mismatches, 1);
}

TEST(Convert, ExportTaskAndResult) {
  auto back = OverTheWire<Task>(ExportTask{{"r", "p"}, kDigest, "pt"});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(std::get<ExportTask>(*back).manifest_sha256, kDigest);
  auto answer = OverTheWire<TaskResult>(ExportResult{kDigest, 12});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(std::get<ExportResult>(*answer).blob_bytes, 12u);
}

TEST(Convert, SpecificationSurvivesAndIsValidated) {
  JobSpecification s;
  s.model_root = "root";
  s.model_path = "a/b";
  s.corpus_sha256 = kDigest;
  s.target_bpw = {3.25, 4};
  s.allocation = {{"a", "int2_base"}, {"b", "groupwise_int4"}};
  s.activation_weights = {{"0", 0.5}, {"k", 3}};
  s.pins = {{"x", "keep"}};
  s.excludes = {"y"};
  s.baseline = false;
  s.max_chunks = 3;
  s.bos_per_window_protocol = false;
  s.label = "l";
  auto back = OverTheWire(s);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, s);
  EXPECT_EQ(FromProto(v1::JobSpecification()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Convert, RefusesHostileTasksNamingTheField) {
  using Change = std::function<void(v1::SearchTask*)>;
  const std::pair<Change, const char*> cases[] = {
      {[](auto* t) { t->mutable_tensor()->set_dtype(v1::D_TYPE_I8); }, "tensor.dtype"},
      {[](auto* t) { t->mutable_tensor()->set_dtype(static_cast<v1::DType>(99)); }, "tensor.dtype"},
      {[](auto* t) { t->mutable_tensor()->add_shape(1); }, "tensor.shape"},
      {[](auto* t) { t->mutable_tensor()->set_shape(0, 0); }, "tensor.shape"},
      {[](auto* t) { t->mutable_tensor()->set_shape(0, -3); }, "tensor.shape"},
      {[](auto* t) { t->mutable_tensor()->set_shape(0, INT64_MAX); }, "tensor.shape"},
      {[](auto* t) { t->mutable_tensor()->set_bytes(31); }, "tensor.bytes"},
      {[](auto* t) { t->set_group_size(0); }, "group"},
      {[](auto* t) { t->clear_methods(); }, "methods"},
      {[](auto* t) { t->add_methods("unheard-of"); }, "methods"},
  };
  for (const auto& [change, field] : cases) {
    v1::Task proto = ToProto(Task(SearchTask{{"r", "p"}, Tensor(), "i", 128, {"groupwise_int4"}}));
    change(proto.mutable_search());
    const absl::Status status = FromProto(proto).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
  EXPECT_FALSE(FromProto(v1::Task()).ok());
}

TEST(Convert, RefusesHostileResults) {
  EXPECT_FALSE(FromProto(v1::TaskResult()).ok());
  EXPECT_FALSE(FromProto(ToProto(TaskResult(ExportResult{"../x", 1}))).ok());
  EXPECT_FALSE(
      FromProto(ToProto(TaskResult(SearchResult{kDigest, {{"groupwise_int4", 8, ExactSum::FromParts(-1, 0)}}}))).ok());
  ScoreResult score;
  score.windows = {{0, 0, 1, {}, {}}};
  EXPECT_FALSE(FromProto(ToProto(TaskResult(score))).ok());
  score.windows = {{-1, 1, 1, {}, {}}};
  EXPECT_FALSE(FromProto(ToProto(TaskResult(score))).ok());
}

TEST(Convert, StatusKeepsCodeAndMessage) {
  const absl::Status status = absl::FailedPreconditionError("lease lost");
  const grpc::Status wire = ToGrpc(status);
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(FromGrpc(wire), status);
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_LT(ToGrpc(absl::InternalError(std::string(100000, 'x'))).error_message().size(), 4000u);
}

}  // namespace
}  // namespace sub1quant
