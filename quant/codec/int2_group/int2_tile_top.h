// The largest |t| of a group, and the 4-bit corrections of docs/formats.md §4, of kLanes groups at once.
#pragma once

namespace sub1quant {
namespace {

// The eight largest of what was merged, descending in every lane. All are >= 0.
template <class V>
struct TopEight {
  static constexpr int kCount = 8;
  using Float = typename V::Float;

  Float values[kCount];

  // `t`: eight more vectors, which are sorted in place.
  void Merge(Float* t, bool first) {
    Sort(t);
    // Both descending: the larger of the mirrored pairs are the eight largest, in bitonic order.
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) values[i] = first ? t[i] : V::MaxMagnitude(values[i], t[kCount - 1 - i]);
    if (first) return;
#pragma GCC unroll 3
    for (int distance = 4; distance >= 1; distance /= 2)
#pragma GCC unroll 8
      for (int i = 0; i < kCount; ++i)
        if ((i & distance) == 0) Order(values, i, i + distance);
  }

 private:
  static void Order(Float* v, int a, int b) {
    const Float high = V::MaxMagnitude(v[a], v[b]);
    v[b] = V::MinMagnitude(v[a], v[b]);
    v[a] = high;
  }

  // Batcher's odd-even merge sort, 19 comparators.
  static void Sort(Float* v) {
    constexpr int kPairs[][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}, {0, 2}, {1, 3}, {4, 6}, {5, 7}, {1, 2}, {5, 6},
                                 {0, 4}, {1, 5}, {2, 6}, {3, 7}, {2, 4}, {3, 5}, {1, 2}, {3, 4}, {5, 6}};
#pragma GCC unroll 19
    for (const auto& pair : kPairs) Order(v, pair[0], pair[1]);
  }
};

template <class V>
class CorrectionScale {
 public:
  using Float = typename V::Float;

  explicit CorrectionScale(Float largest) : scale_(V::RoundToFp16(V::Div(largest, V::Set(7.0f)))) {
    divisor_ = V::Select(V::Equal(scale_, V::Set(0.0f)), V::Set(1.0f), scale_);
  }
  CorrectionScale() = default;

  Float Code(Float t) const { return V::Max(V::Min(V::Round(V::Div(t, divisor_)), V::Set(7.0f)), V::Set(-7.0f)); }
  // u; the product is exact.
  Float Rest(Float t) const { return V::NegMulAdd(Code(t), scale_, t); }
  Float scale() const { return scale_; }

  static CorrectionScale Selected(typename V::Mask m, const CorrectionScale& yes, const CorrectionScale& no) {
    CorrectionScale selected;
    selected.scale_ = V::Select(m, yes.scale_, no.scale_);
    selected.divisor_ = V::Select(m, yes.divisor_, no.divisor_);
    return selected;
  }

 private:
  Float scale_, divisor_;
};

}  // namespace
}  // namespace sub1quant
