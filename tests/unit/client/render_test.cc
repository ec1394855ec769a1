#include "client/render.h"

#include <gtest/gtest.h>

#include "client/corpus.h"
#include "client/outcome.h"

namespace sub1quant {
namespace {

TEST(Render, Numbers) {
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.0 kB");
  EXPECT_EQ(FormatBytes(999949), "999.9 kB");
  EXPECT_EQ(FormatBytes(999950), "1.0 MB");
  EXPECT_EQ(FormatBytes(~uint64_t{0}), "18.4 EB");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(-1234567), "-1,234,567");
  EXPECT_EQ(FormatCount(-123), "-123");
  EXPECT_EQ(FormatDuration(59.94), "59.9 s");
  EXPECT_EQ(FormatDuration(59.96), "1:00");
  EXPECT_EQ(FormatDuration(3725), "1:02:05");
  EXPECT_EQ(FormatDuration(-1), "?");
  EXPECT_EQ(FormatTime(0), "");
  EXPECT_EQ(FormatTime(1000000000), "2001-09-09 01:46:40Z");
}

TEST(Render, TablesAlignByCharactersAndShowNoControls) {
  EXPECT_EQ(RenderTable({{"A", "B"}, {"é", "x\x1b"}, {"long", ""}}), "A     B\né     x\nlong\n");
}

TEST(Outcome, ExitCodesFollowTheKindOfError) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kDone);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("x")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("x")), ExitCode::kNotFound);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("x")), ExitCode::kCancelled);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("x")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(FromServer(absl::UnavailableError("x"), "h:1")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeOf(FromServer(absl::UnauthenticatedError("x"), "h:1")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeOf(FromServer(absl::ResourceExhaustedError("x"), "h:1")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeOf(FromServer(absl::NotFoundError("x"), "h:1")), ExitCode::kNotFound);
  v1::Job job;
  job.set_state(v1::JOB_STATE_FAILED);
  job.set_error_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(ExitCodeOf(JobOutcome(job)), ExitCode::kUsage);
  job.set_error_code(static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_EQ(ExitCodeOf(JobOutcome(job)), ExitCode::kFailed);
  job.set_state(v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(ExitCodeOf(JobOutcome(job)), ExitCode::kCancelled);
}

TEST(Outcome, AnErrorIsOneLineAndAHintAnother) {
  EXPECT_EQ(ErrorText(WithHint(absl::NotFoundError("a\nb"), "try c")), "sub1quant: error: a b\nhint: try c\n");
}

TEST(Corpus, FindsTheFirstByteThatIsNotUtf8) {
  EXPECT_EQ(FindInvalidUtf8("plain é € 😀"), std::string::npos);
  for (const std::string& bad :
       {std::string("\x80"), std::string("\xc0\xaf"), std::string("\xed\xa0\x80"), std::string("\xe2\x82"),
        std::string("\xf4\x90\x80\x80"), std::string("\xf0\x80\x80\x80"), std::string("\xff")})
    EXPECT_EQ(FindInvalidUtf8("ab" + bad), 2u);
}

}  // namespace
}  // namespace sub1quant
