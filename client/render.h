// Values as text for people.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "sub1quant/v1/jobs.pb.h"

namespace sub1quant {

std::string FormatBytes(uint64_t bytes);       // "512 B", "3.8 MB" (powers of 1000)
std::string FormatCount(int64_t count);        // "1,234,567"
std::string FormatDuration(double seconds);    // "3.2 s", "2:05", "1:02:05"
std::string FormatTime(double epoch_seconds);  // "2026-01-31 12:00:00Z", "" for 0

// Control characters (a server may send anything) become spaces.
std::string Printable(std::string text);

// Columns aligned by display width; the first row is the heading. Cells are made Printable; no trailing blanks.
std::string RenderTable(const std::vector<std::vector<std::string>>& rows);

std::string StateName(v1::JobState state);  // "running"
std::string RenderJob(const v1::Job& job);  // for `status`
std::string RenderJobs(const std::vector<v1::Job>& jobs);
std::string RenderWorkers(const std::vector<v1::WorkerStatus>& workers);
Json JobToJson(const v1::Job& job);
Json WorkerToJson(const v1::WorkerStatus& worker);

}  // namespace sub1quant
