/** The value of a JSON text, or why it is none. */
export const parseJson = (text: string): { value: unknown; reason?: undefined } | { value?: undefined; reason: string } => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
};
