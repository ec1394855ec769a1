// Vectors of eight float32 for the tile kernels. Included only by files that are compiled for AVX2, FMA and F16C;
// everything here and in the kernels has internal linkage, so that no other file is linked to code for this CPU.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace sub1quant {
namespace {

struct Avx2 {
  static constexpr int kLanes = 8;
  using Float = __m256;
  using Int = __m256i;
  struct Mask {  // a type of its own, so that no mask is taken for numbers
    __m256 bits;
  };

  static Float Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, Float x) { _mm256_storeu_ps(p, x); }
  static Float Set(float x) { return _mm256_set1_ps(x); }
  static Float Add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float Sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float Mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float Div(Float a, Float b) { return _mm256_div_ps(a, b); }
  static Float Min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float Max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float Abs(Float x) { return _mm256_andnot_ps(Set(-0.0f), x); }
  // Of values without a sign, which order as their bits do: whole numbers compare on all four vector pipes of Zen 5,
  // floats on two, which they share with Add.
  static Float MinMagnitude(Float a, Float b) { return Bits(_mm256_min_epu32(Bits(a), Bits(b))); }
  static Float MaxMagnitude(Float a, Float b) { return Bits(_mm256_max_epu32(Bits(a), Bits(b))); }
  // c - a*b rounded once. The kernels use it where a*b is exact, so that it equals two steps.
  static Float NegMulAdd(Float a, Float b, Float c) { return _mm256_fnmadd_ps(a, b, c); }
  static Float Round(Float x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // Eight float16 of x, ties to even; and their values.
  static __m128i Fp16(Float x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
  static Float RoundToFp16(Float x) { return _mm256_cvtph_ps(Fp16(x)); }
  static void StoreFp16(uint16_t* p, Float x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), Fp16(x)); }
  // Of eight float16.
  static Float LoadFp16(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }

  static Mask Equal(Float a, Float b) { return {_mm256_cmp_ps(a, b, _CMP_EQ_OQ)}; }
  static Mask Less(Float a, Float b) { return {_mm256_cmp_ps(a, b, _CMP_LT_OQ)}; }
  static Mask LessEqual(Float a, Float b) { return {_mm256_cmp_ps(a, b, _CMP_LE_OQ)}; }
  static Mask And(Mask a, Mask b) { return {_mm256_and_ps(a.bits, b.bits)}; }
  static Mask Or(Mask a, Mask b) { return {_mm256_or_ps(a.bits, b.bits)}; }
  static Mask Not(Mask a) { return {_mm256_xor_ps(a.bits, Bits(SetInt(-1)))}; }
  static bool Any(Mask a) { return _mm256_movemask_ps(a.bits) != 0; }
  static Float Select(Mask m, Float yes, Float no) { return _mm256_blendv_ps(no, yes, m.bits); }
  static Float Keep(Mask m, Float x) { return _mm256_and_ps(m.bits, x); }  // +0 elsewhere

  static Int LoadInt(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void StoreInt(void* p, Int x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
  static Int SetInt(int x) { return _mm256_set1_epi32(x); }
  static Int ToInt(Float x) { return _mm256_cvtps_epi32(x); }  // of whole numbers
  static Int Or(Int a, Int b) { return _mm256_or_si256(a, b); }
  static Int And(Int a, Int b) { return _mm256_and_si256(a, b); }
  static Int AddInt(Int a, Int b) { return _mm256_add_epi32(a, b); }
  static Int MaxInt(Int a, Int b) { return _mm256_max_epi32(a, b); }
  static Int KeepInt(Mask m, Int x) { return And(Bits(m.bits), x); }
  template <int kBits>
  static Int ShiftLeft(Int x) {
    return _mm256_slli_epi32(x, kBits);
  }
  template <int kBits>
  static Int ShiftRight(Int x) {
    return _mm256_srli_epi32(x, kBits);
  }
  static Float Bits(Int x) { return _mm256_castsi256_ps(x); }
  static Int Bits(Float x) { return _mm256_castps_si256(x); }
  // float16 in the low halves.
  static Float WidenFp16(Int x) {
    const Int packed = _mm256_packus_epi32(And(x, SetInt(0xffff)), SetInt(0));
    return _mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0b1000)));
  }

  // Rows become columns.
  static void Transpose(Int* v) {
    Int t[8];
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
      t[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
      v[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
      v[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
      v[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
      v[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; ++i) {
      t[i] = _mm256_permute2x128_si256(v[i], v[i + 4], 0x20);
      t[i + 4] = _mm256_permute2x128_si256(v[i], v[i + 4], 0x31);
    }
    for (int i = 0; i < 8; ++i) v[i] = t[i];
  }
};

}  // namespace
}  // namespace sub1quant
