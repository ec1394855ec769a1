#include "quant/report/text_layout.h"

#include <algorithm>
#include <cmath>

#include "quant/report/format.h"

namespace sub1quant::report {
namespace {

constexpr size_t kHeadingWidth = 13;

void TrimRight(std::string& text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
}

}  // namespace

std::string Style::Wrap(const char* code, const std::string& text) const {
  return colour_ ? "\x1b[" + std::string(code) + "m" + text + "\x1b[0m" : text;
}

std::vector<std::string> AlignTable(const std::vector<std::vector<std::string>>& rows, size_t left) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], DisplayWidth(row[c]));
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      if (c > 0) line += "  ";
      line += c < left ? PadRight(row[c], widths[c]) : PadLeft(row[c], widths[c]);
    }
    TrimRight(line);
    lines.push_back(line);
  }
  return lines;
}

std::string Section(const Style& style, const std::string& heading, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += text.empty() ? style.Bold(heading) +
                               std::string(kHeadingWidth - std::min(kHeadingWidth - 1, DisplayWidth(heading)), ' ')
                         : std::string(kHeadingWidth, ' ');
    text += line + "\n";
  }
  return text;
}

std::string Bar(double share, int width) {
  if (!(share > 0)) return "";
  const int cells = std::clamp(static_cast<int>(std::lround(share * width)), 1, width);
  std::string bar;
  for (int i = 0; i < cells; ++i) bar += "█";
  return bar;
}

}  // namespace sub1quant::report
