// Worker and coordinator must mean the same by a model's identity, or no score task would ever run.
#include "worker/executors/model_identity.h"

#include "server/flow/inspect.h"
#include "tests/unit/worker/executors/fixture.h"

namespace sub1quant::testing {
namespace {

using ModelIdentityTest = ExecutorTest;

TEST_F(ModelIdentityTest, IsWhatInspectFound) {
  JobSpecification specification;
  specification.model_name = "gemma4-tiny";
  specification.evaluate = false;
  const auto inspected = Inspect(specification, *source_, *blobs_);
  ASSERT_TRUE(inspected.ok()) << inspected.status();
  EXPECT_TRUE(CheckModelIdentity(*source_, inspected->inspection.model_identity).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckModelIdentity(*source_, std::string(64, '0'))));
}

}  // namespace
}  // namespace sub1quant::testing
